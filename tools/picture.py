"""The picture of live captions for the docs: `python tools/picture.py [SECONDS] [docs/live.png]`.

Plays the sample meeting as if live, waits for a moment when somebody is speaking, and draws the screen. Textual writes
SVG; Chromium turns it into PNG where it is installed, else the SVG is left beside.
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from audio.paced import PacedFile  # noqa: E402
from pipeline import build  # noqa: E402
from pipeline.config import load  # noqa: E402
from pipeline.library import Library  # noqa: E402
from pipeline.live import LIVE_ROOM, Wanted  # noqa: E402
from pipeline.tui.app import Captions  # noqa: E402
from pipeline.tui.panels import Line  # noqa: E402

SIZE = (100, 28)  # columns, lines
LONG_ENOUGH = 40  # characters of the line that grows


async def screen(seconds: float, home: Path) -> str:
    """The screen as SVG, once the meeting has gone on for so long and a sentence is half said."""
    settings = load({"recognition.model": "embedded"}, environ={})
    source = PacedFile(ROOT / "samples" / "meeting.flac")
    run = build.Run(settings, Library(home), warn=print)
    job = run.listen(source, lambda folder: source.chunks(), Wanted("Project meeting", "sample"), room=LIVE_ROOM)
    app = Captions(job.title, job.events, session=job.session, folder=job.folder)
    async with app.run_test(size=SIZE) as pilot:
        for _ in range(6000):
            await pilot.pause(0.1)
            growing = [line.plain for line in app.query(".growing").results(Line)]
            if job.session.elapsed_s > seconds and any(len(line) > LONG_ENOUGH for line in growing):
                break
        picture = app.export_screenshot(simplify=True)
        job.session.stop()
    return picture


def main() -> None:
    """Draw it."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    target = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "docs" / "live.png"
    with tempfile.TemporaryDirectory() as folder:
        svg = asyncio.run(screen(seconds, Path(folder)))
        browser = shutil.which("chromium") or shutil.which("google-chrome")
        if not browser:
            target.with_suffix(".svg").write_text(svg, encoding="utf-8")
            return
        page = Path(folder) / "live.html"
        page.write_text(f"<body style='margin:0'>{svg}", encoding="utf-8")
        view = [float(n) for n in svg.split('viewBox="')[1].split('"')[0].split()][2:]
        size = f"--window-size={round(view[0])},{round(view[1])}"
        command = [browser, "--headless", "--no-sandbox", "--hide-scrollbars", f"--screenshot={target}", size]
        subprocess.run([*command, page.as_uri()], check=True, capture_output=True)


if __name__ == "__main__":
    main()
