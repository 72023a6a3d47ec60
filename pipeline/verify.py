"""Is a document of minutes still what was said? Every line against the journal, the recording and the documents.

A file is read back into its lines. What the journal holds now is written anew in the same format and compared line by
line, so that an altered, added or missing line is named; then each claim is checked for its evidence: the utterances
are there, they hold its words, and the passages still stand in their documents.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio.checksum import sha256_of
from memory.minutes import Line, Minutes
from memory.notes import Item, Passage
from memory.rewriting import Rewritten, doubt
from memory.wording import content, content_of, read
from pipeline.events import Event, Learned, PipelineError
from pipeline.export import minutes as files
from pipeline.minutes import minutes_of
from pipeline.readback import READERS
from pipeline.transcript import Transcript

MOST_BYTES = 100_000_000  # of a file that is checked: minutes with two hours of sound inside take 40 MB


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong."""

    line: str  # as it stands in the file, or as it should
    why: str


@dataclass(frozen=True)
class Verdict:
    """What the check found."""

    meeting: str
    checked: int  # lines
    findings: tuple[Finding, ...]
    unchecked: tuple[str, ...]  # what could not be checked, and why


def meeting_named(path: Path) -> str:
    """The meeting that a file says it is of; raises PipelineError where it says none or cannot be read."""
    content, format = _content(path), _format(path)
    text = content.decode("utf-8", "replace")
    if format in ("docx", "pdf"):
        text = "\n".join(line for _, line in READERS[format](content))
    if format == "csv":
        text = "".join(f"Meeting {line.rpartition(' | ')[2]}, " for anchor, line in READERS[format](content) if anchor)
    found = re.search(
        r'data-meeting="([\w.-]+)"|^ "meeting": "([\w.-]+)"|Meeting ([\w.-]+), |^X-WR-RELCALID:([\w.-]+)',
        text,
        re.MULTILINE,
    )
    if not found:
        raise PipelineError(
            f"{path} does not say of which meeting it is; give minutes that rapporteur wrote as {', '.join(READERS)}"
        )
    named: str = next(filter(None, found.groups()))
    return named


def verify(path: Path, events: Iterable[Event]) -> Verdict:
    """Compare the file with what its meeting's journal says. Raises PipelineError where it cannot be read."""
    events = list(events)
    minutes = minutes_of(events)
    format = _format(path)
    content_now = files.render(minutes, format)
    if format == "json":
        findings, checked = _compare_json(_content(path), content_now)
    else:
        findings, checked = _compare(READERS[format](_content(path)), READERS[format](content_now))
    findings += [finding for item in minutes.items for finding in unsupported(item, minutes)]
    findings += [finding for line in minutes.summary for finding in _unsupported_line(line, minutes)]
    more, unchecked = _sources(events, minutes)
    return Verdict(minutes.meeting, checked, tuple(findings + more), tuple(unchecked))


def _format(path: Path) -> str:
    format = path.suffix.removeprefix(".").lower()
    if format not in READERS:
        raise PipelineError(f"{path} cannot be checked; give minutes as {', '.join(READERS)}")
    return format


def _compare(there: Sequence[tuple[str, str]], expected: Sequence[tuple[str, str]]) -> tuple[list[Finding], int]:
    wanted = {anchor: text for anchor, text in expected if anchor}
    loose = Counter(text for anchor, text in expected if not anchor)
    findings: list[Finding] = []
    seen: set[str] = set()
    for anchor, text in there:
        if anchor and anchor not in wanted:
            findings.append(Finding(text, "the meeting's journal has no such line"))
        elif anchor and text != wanted[anchor]:
            findings.append(Finding(text, f'altered: the journal says "{wanted[anchor]}"'))
        elif not anchor and loose[text] <= 0:
            findings.append(Finding(text, "unsupported: no line of the minutes says this"))
        elif not anchor:
            loose[text] -= 1
        if anchor in seen and anchor:
            findings.append(Finding(text, "this line stands there twice"))
        seen.add(anchor)
    findings += [
        Finding(text, "missing: the journal has this line") for anchor, text in wanted.items() if anchor not in seen
    ]
    findings += [
        Finding(text, "missing: the minutes have this line") for text, count in loose.items() for _ in range(count)
    ]
    return findings, len(there)


def _compare_json(there: bytes, expected: bytes) -> tuple[list[Finding], int]:
    try:
        found = dict(_leaves(json.loads(there), ""))
    except (ValueError, RecursionError) as error:
        raise PipelineError("this is not JSON any more; export the minutes again") from error
    wanted = dict(_leaves(json.loads(expected), ""))
    findings = [
        Finding(f"{place}: {value}", "not in the journal" if place not in wanted else f"altered: the journal says {json.dumps(wanted[place], ensure_ascii=False)}")
        for place, value in found.items() if wanted.get(place, _NOTHING) != value
    ]  # fmt: skip
    findings += [
        Finding(f"{place}: {value}", "missing: the journal has this")
        for place, value in wanted.items()
        if place not in found
    ]
    return findings, len(found)


_NOTHING = object()


def _leaves(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{place}.{key}" if place else key)
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value):
            yield from _leaves(inner, f"{place}[{number}]")
    else:
        yield place, value


def unsupported(item: Item, minutes: Minutes) -> list[Finding]:
    """What an item claims that its evidence does not say; what the user wrote is his own, and shown as such."""
    if any(change.by == "user" and change.what for change in item.history):
        return []
    steps = [change for change in item.history if not change.meeting and change.by != "user"]
    known = {u.id for u in minutes.utterances}
    gone = [id for change in steps for id in change.evidence if id not in known]
    if gone:
        return [Finding(item.what, f"its evidence {' '.join(gone)} is not in the journal")]
    if not item.evidence:
        return [] if item.series else [Finding(item.what, "it names no evidence")]
    if item.series and not any(change.what for change in steps):
        return []  # the words are of an earlier meeting; its own minutes prove them
    found = _unsaid(item.what, item.evidence, minutes)
    dated = any(change.by == "user" and change.due is not None for change in item.history)
    if (
        item.due.phrase
        and not dated
        and not item.series
        and not set(read(item.due.phrase).words) <= _said(item.evidence, minutes)
    ):
        found.append(Finding(item.what, f'nobody says "{item.due.phrase}" in its evidence'))
    return found


def _said(evidence: Sequence[str], minutes: Minutes) -> set[str]:
    return {word for u in minutes.utterances if u.id in evidence for word in read(u.text).words}


def _unsupported_line(line: Line, minutes: Minutes) -> list[Finding]:
    """A sentence that was said needs its words, a rewritten one its quotes and nothing that they do not bear out."""
    if not line.rewritten:
        return _unsaid(line.text, line.evidence, minutes)
    said = {u.id: u for u in minutes.utterances}
    why = doubt(Rewritten(line.text, line.quotes), said, {p.label: p.name for p in minutes.people})
    return [Finding(line.text, why)] if why else []


def _unsaid(text: str, evidence: Sequence[str], minutes: Minutes) -> list[Finding]:
    """Words that carry meaning and are in none of the utterances."""
    missing = content_of(text) - content(_said(evidence, minutes))
    return [Finding(text, f"its evidence does not say: {' '.join(sorted(missing))}")] if missing else []


def _sources(events: Sequence[Event], minutes: Minutes) -> tuple[list[Finding], list[str]]:
    """The recording and the documents, as far as they are still there."""
    findings: list[Finding] = []
    unchecked: list[str] = []
    source = Transcript.of(events).source
    if not minutes.audio_sha256:
        unchecked.append("the recording: the journal holds no checksum of it")
    elif not Path(source).is_file():
        unchecked.append(f"the recording: {source} is not there any more")
    elif sha256_of(Path(source)) != minutes.audio_sha256:
        findings.append(Finding(source, "the recording is not the one that was transcribed"))
    paths = {
        str(e.content.get("document")): str(e.content.get("path"))
        for e in events
        if isinstance(e, Learned) and e.kind == "passage"
    }
    texts: dict[str, str] = {}
    shown = {(p.document, p.quote): p for item in minutes.items for p in item.passages}
    shown |= {(cited.passage.document, cited.passage.quote): cited.passage for cited in minutes.references}
    for passage in shown.values():
        _check_passage(passage, Path(paths.get(passage.document, "")), texts, (findings, unchecked))
    return findings, unchecked


def _check_passage(passage: Passage, path: Path, texts: dict[str, str], into: tuple[list[Finding], list[str]]) -> None:
    from retrieval import documents
    from retrieval.passage import ShelfError

    findings, unchecked = into
    if not path.is_file():
        unchecked.append(f"a passage: {passage.document} is not there any more")
        return
    if str(path) not in texts:
        try:
            texts[str(path)] = " ".join(" ".join(p.text.split()) for p in documents.read(path).passages)
        except ShelfError as error:
            unchecked.append(str(error))
            return
    if " ".join(passage.quote.split()) not in texts[str(path)]:
        findings.append(Finding(passage.quote, f"{passage.document} does not say this any more"))


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise PipelineError(f"{path} is too large for minutes; give the file that rapporteur wrote")
        return path.read_bytes()
    except OSError as error:
        raise PipelineError(f"{path} cannot be read ({error.strerror}); check the name") from error
