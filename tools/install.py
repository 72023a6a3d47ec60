"""Install the pinned packages into the environment that runs this file, with the torch that fits the machine.

On Linux without an NVIDIA driver the plain torch wheel brings gigabytes of CUDA that nothing can use,
so torch comes from PyTorch's CPU index where that can be reached. openai-whisper asks for triton
(1 GB, GPU only) as well; the lock leaves it out there.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def pip(*arguments: str) -> None:
    """Run pip; a failure ends the installation with pip's own exit code."""
    done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", *arguments], check=False)
    if done.returncode:
        sys.exit(done.returncode)


def cpu_index() -> list[str]:
    """pip's arguments for the CPU build of torch; none where it is not needed or not to be reached."""
    if platform.system() != "Linux" or platform.machine() != "x86_64" or shutil.which("nvidia-smi"):
        return []
    try:
        with urllib.request.urlopen(f"{TORCH_CPU_INDEX}/torch/", timeout=4):
            return ["--extra-index-url", TORCH_CPU_INDEX]
    except (urllib.error.URLError, OSError):
        return []


def main() -> None:
    """Torch first, then everything else exactly as locked, then this project, editable."""
    pins = [line for line in LOCK.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    torch = next(pin for pin in pins if pin.startswith("torch=="))
    pip(*cpu_index(), "--constraint", str(LOCK), torch)
    pip("--no-deps", "--requirement", str(LOCK))
    if shutil.which("nvidia-smi") and platform.system() == "Linux":
        pip("--constraint", str(LOCK), "openai-whisper")  # with triton, for its GPU kernels
    pip("--no-deps", "--no-build-isolation", "--editable", str(ROOT))


if __name__ == "__main__":
    main()
