"""Where the real material lies that tests may read but the project does not ship."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("RAPPORTEUR_DATA", Path(__file__).parents[2] / "shared" / "data"))
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no test material at {SHARED} (set RAPPORTEUR_DATA)")
