"""The ear: turns sound into utterances."""
