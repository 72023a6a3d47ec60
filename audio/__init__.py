"""The ear: turns sound into utterances."""

import os

# onnxruntime 1.32, which runs silero-vad, gives the machine an id and tells its vendor of every start, the path of the
# program included, unless it finds this when it is imported. Here, because every import of the ear passes by.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
