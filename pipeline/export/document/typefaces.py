"""Which typeface draws which character: DejaVu Sans, which is in the package, and the system's for what it lacks."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from fontTools.ttLib import TTFont, TTLibError

PLAIN = Path(str(files(__package__).joinpath("fonts/DejaVuSans.ttf")))
BOLD = PLAIN.with_name("DejaVuSans-Bold.ttf")
MISSING = "\ufffd"  # drawn for a character that no typeface here has; DejaVu has it
_FOLDERS = {
    "linux": ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts"),
    "darwin": ("/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts"),
    "win32": ("C:/Windows/Fonts",),
}
# Typefaces that hold many scripts or a large one, in parts of their files' names; others are tried after them.
_BROAD = (
    *("notosanscjk", "sourcehansans", "wqy", "droidsansfallback", "arialuni", "arial unicode", "unifont", "msyh"),
    *("simsun", "meiryo", "msgothic", "malgun", "pingfang", "hiragino", "applesdgothic", "nirmala", "leelawui"),
    *("notosans", "notonaskh", "freesans", "lohit", "gargi", "garuda", "segoeui", "seguisym", "symbola"),
)
_MOST_FILES = 400  # of the system's that are looked into for one document


@dataclass(frozen=True)
class Typeface:
    """One face of a font file."""

    path: Path
    number: int = 0  # of the face in a collection


@lru_cache(maxsize=64)
def covered(typeface: Typeface) -> frozenset[int]:
    """The code points that it draws; none where the file cannot be used."""
    try:
        with TTFont(typeface.path, fontNumber=typeface.number, lazy=True) as font:
            drawable = "glyf" in font or "CFF " in font
            return frozenset(font.getBestCmap() or ()) if drawable else frozenset()
    except (TTLibError, OSError, ValueError, KeyError, AssertionError, EOFError):
        return frozenset()


def fallbacks(text: str) -> tuple[list[Typeface], set[str]]:
    """The system's typefaces for what DejaVu lacks of `text`, and the characters that none of them has."""
    missing = {c for c in set(text) if ord(c) not in covered(Typeface(PLAIN)) and not c.isspace()}
    chosen: list[Typeface] = []
    for typeface in _installed() if missing else ():
        found = {c for c in missing if ord(c) in covered(typeface)}
        if found:
            chosen.append(typeface)
            missing -= found
        if not missing:
            break
    return chosen, missing


def _installed() -> Iterator[Typeface]:
    paths = sorted(set(_font_files(_FOLDERS.get(sys.platform, _FOLDERS["linux"]))), key=_rank)
    for path in paths[:_MOST_FILES]:
        yield Typeface(path)


def _font_files(folders: Iterable[str]) -> Iterator[Path]:
    for folder in folders:
        for at, _, names in os.walk(Path(folder).expanduser()):
            yield from (Path(at, name) for name in names if name.lower().endswith((".ttf", ".otf", ".ttc")))


def _rank(path: Path) -> tuple[int, bool, str]:
    """Broad typefaces first, regular ones before bold and italic."""
    name = path.name.lower()
    broad = next((i for i, part in enumerate(_BROAD) if part in name), len(_BROAD))
    styled = any(style in name for style in ("bold", "italic", "oblique", "light", "thin", "black", "mono", "serif"))
    return broad, styled, str(path)
