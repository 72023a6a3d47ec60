"""What the memory held over a meeting, drawn as an SVG of our own: no plotting library, opens in any browser."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

_WIDTH, _LANE, _LEFT, _TOP = 900, 110, 150, 40
_COLORS = ("#2b6cb0", "#c05621", "#2f855a", "#6b46c1")
_LANES: tuple[tuple[str, tuple[str, ...]], ...] = (  # title -> series, each a key of the memory's events
    ("slots in use", ("speakers", "topics", "items")),
    ("attention by bank", ("mass_tokens", "mass_speakers", "mass_items", "mass_archive")),
    ("reads and writes", ("hit_rate", "write_rate", "gate_open")),
    ("age read, utterances", ("age_p50", "age_p95")),
    ("ms a segment", ("step_ms", "slots_ms", "archive_ms", "attention_ms")),
)


def memory_chart(title: str, moments: Sequence[dict[str, Any]], topics: Sequence[tuple[int, str]]) -> str:
    """SVG text of the memory's events, in order; `topics` are (utterances heard, title) where each began."""
    end = max([float(m["at"]) for m in moments] or [1.0])
    height = _TOP + (len(_LANES) + 1) * _LANE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" font-family="sans-serif" '
        'font-size="11"><rect width="100%" height="100%" fill="white"/>',
        f'<text x="12" y="22" font-size="15">{escape(title)}</text>',
    ]
    for number, (name, keys) in enumerate(_LANES):
        parts += _lane(name, keys, moments, end=end, top=_TOP + number * _LANE)
    parts += _events(moments, topics, end=end, top=_TOP + len(_LANES) * _LANE)
    return "\n".join([*parts, "</svg>\n"])


def _x(at: float, end: float) -> float:
    return _LEFT + (_WIDTH - _LEFT - 20) * at / max(end, 1.0)


def _lane(name: str, keys: Sequence[str], moments: Sequence[dict[str, Any]], *, end: float, top: int) -> list[str]:
    most = max([float(m.get(key, 0)) for m in moments for key in keys] or [0.0]) or 1.0
    base, tall = top + _LANE - 20, _LANE - 35
    parts = [
        f'<text x="12" y="{top + 12}">{name}</text>',
        f'<text x="{_LEFT - 6}" y="{base - tall + 4}" text-anchor="end">{most:.4g}</text>',
        f'<line x1="{_LEFT}" y1="{base}" x2="{_WIDTH - 20}" y2="{base}" stroke="#aaa"/>',
    ]
    for row, (key, color) in enumerate(zip(keys, _COLORS, strict=False)):
        points = " ".join(f"{_x(m['at'], end):.1f},{base - tall * float(m.get(key, 0)) / most:.1f}" for m in moments)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.5"/>')
        parts.append(f'<text x="12" y="{top + 28 + 13 * row}" fill="{color}">{key.removeprefix("mass_")}</text>')
    return parts


def _events(moments: Sequence[dict[str, Any]], topics: Sequence[tuple[int, str]], *, end: float, top: int) -> list[str]:
    """Topics that begin above the line, slots given away below it."""
    base = top + 55
    parts = [
        f'<text x="12" y="{top + 12}">topics, evictions</text>',
        f'<line x1="{_LEFT}" y1="{base}" x2="{_WIDTH - 20}" y2="{base}" stroke="#aaa"/>',
    ]
    for at, name in topics:
        x = f"{_x(at, end):.1f}"
        tip = f"<title>{escape(name)}</title>"
        parts.append(f'<line x1="{x}" y1="{base}" x2="{x}" y2="{base - 24}" stroke="#2b6cb0">{tip}</line>')
    for slot, at, reason in sorted({(e["slot"], e["at"], e["reason"]) for m in moments for e in m["evictions"]}):
        tip = f"<title>slot {slot}: {escape(reason)}</title>"
        parts.append(f'<circle cx="{_x(at, end):.1f}" cy="{base + 10}" r="3" fill="#c05621">{tip}</circle>')
    return parts
