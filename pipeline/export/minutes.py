"""Minutes as files: a document whose every line says what proves it, and tables and tasks for other programs.

A line that claims something has an anchor, the item's id, and facts for `rapporteur verify`: the utterances, when they
were said, and the passages. The last line says of which meeting it is and sums up all claims.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

from memory.minutes import Minutes
from memory.notes import DECIDED, DONE, DROPPED, NOBODY, OPEN, Due, Item
from pipeline.events import PipelineError
from pipeline.export import calendar, lines, sheet
from pipeline.export.document import (
    Block,
    Document,
    Heading,
    Inline,
    Line,
    Listing,
    Paragraph,
    Row,
    Soft,
    Strong,
    Table,
    html,
    markdown,
    plain,
)
from pipeline.export.steps import step
from pipeline.export.text import spell_date, spell_duration

SCHEMA = 1  # version of the JSON form; `rapporteur minutes --schema` prints it
SCHEMA_FILE = Path(__file__).parent / "minutes.schema.json"


def render(minutes: Minutes, format: str, *, sound: str = "") -> bytes:
    """The file; `sound` is the URL of the recording for the page. Raises PipelineError for an unknown format."""
    if format not in FORMATS:
        raise PipelineError(f'there are no minutes as "{format}"; choose one of {", ".join(FORMATS)}')
    return FORMATS[format](minutes, sound)


def document(minutes: Minutes) -> Document:
    """The minutes for readers."""
    blocks = [block for section in _SECTIONS for block in section(minutes)]
    facts = filter(None, (spell_date(minutes.began), spell_duration(minutes.duration_s)))
    meeting = Paragraph((Soft(seal(minutes, blocks)),), anchor="seal")
    return Document(
        title=minutes.title or minutes.meeting,
        blocks=(*blocks, meeting),
        facts=tuple(facts),
        language="en",
        data=(("meeting", minutes.meeting), ("audio", minutes.audio_sha256), ("claims", digest(blocks))),
    )


def seal(minutes: Minutes, blocks: Sequence[Block]) -> str:
    """The last line: of which meeting and recording this is, and the digest of its claims."""
    sound = f", recording {minutes.audio_sha256[:16]}" if minutes.audio_sha256 else ""
    return f"Meeting {minutes.meeting}{sound}, claims {digest(blocks)[:16]}. Written by machine: rapporteur verify checks each line against what was said."


def digest(blocks: Sequence[Block]) -> str:
    """A checksum of every line that claims something, with its anchor."""
    claims = "\n".join(f"{anchor}\t{text}" for anchor, text in lines_of(blocks) if anchor)
    return sha256(claims.encode("utf-8", "replace")).hexdigest()


def lines_of(blocks: Sequence[Block]) -> Iterator[tuple[str, str]]:
    """Every line of a document as anchor and text, the cells of a row joined by bars."""
    for block in blocks:
        match block:
            case Heading():
                yield block.anchor, block.text
            case Paragraph():
                yield block.anchor, plain(block.line)
            case Listing():
                yield from ((item.anchor, plain(item.line)) for item in block.items)
            case Table():
                yield "", " | ".join(block.head)
                yield from ((row.anchor, " | ".join(map(plain, row.cells))) for row in block.rows)


def _head(minutes: Minutes) -> Iterator[Block]:
    if minutes.people:
        people = ", ".join(f"{p.name} ({spell_duration(p.talk_s)})" for p in minutes.people)
        yield Paragraph((Strong("People:"), f" {people}"), anchor="people")
    if minutes.notice:
        yield Paragraph((minutes.notice,))


def _carried(minutes: Minutes) -> Iterator[Block]:
    if minutes.carried:
        yield Heading("Still open from last time")
        left = sorted(minutes.carried, key=lambda item: item.kind != "action")
        yield Listing(tuple(_carried_line(minutes, item) for item in left))


def _summary(minutes: Minutes) -> Iterator[Block]:
    if minutes.summary:
        yield Heading("Summary")
        yield Listing(
            tuple(
                Paragraph(
                    (*lines.speaker(minutes, line), line.text, *lines.heard(minutes, line.evidence)),
                    f"s{n}",
                    data=lines.facts(minutes, line.evidence),
                )
                for n, line in enumerate(minutes.summary, 1)
            )
        )


def _topics(minutes: Minutes) -> Iterator[Block]:
    if minutes.topics:
        yield Heading("Topics")
        items = []
        for topic in minutes.topics:
            again: list[Inline] = []
            for n, (first, _) in enumerate(topic.spans):
                again += [" " if not n else ", again ", *lines.link(minutes, first)]
            items.append(
                Paragraph(
                    (topic.title, *again), topic.id, data=lines.facts(minutes, [first for first, _ in topic.spans])
                )
            )
        yield Listing(tuple(items))


def _decisions(minutes: Minutes) -> Iterator[Block]:
    found = minutes.of_kind("decision")
    if found:
        yield Heading("Decisions")
        yield Listing(tuple(_item_line(minutes, item) for item in found))


def _actions(minutes: Minutes) -> Iterator[Block]:
    found = minutes.of_kind("action")
    if not found:
        return
    yield Heading("Actions")
    rows = []
    for item in found:
        cells: tuple[Line, ...] = (
            (lines.capital(item.what), *lines.notes(minutes, item)),
            (minutes.said_by(item.owner) or "nobody yet",),
            lines.when(item),
            (item.status,),
            lines.heard(minutes, item.evidence),
        )
        rows.append(Row(cells, item.id, lines.item_facts(minutes, item)))
    yield Table(("What", "Who", "By when", "State", "Heard"), tuple(rows), (5, 2, 2.5, 1.2, 1.9))


def _open_points(minutes: Minutes) -> Iterator[Block]:
    for kind, title in (("question", "Open questions"), ("risk", "Risks")):
        found = minutes.of_kind(kind)
        if found:
            yield Heading(title)
            yield Listing(tuple(_item_line(minutes, item) for item in found))


def _references(minutes: Minutes) -> Iterator[Block]:
    if minutes.references:
        yield Heading("References")
        items = []
        for n, cited in enumerate(minutes.references, 1):
            line: Line = (
                Strong(lines.place(cited.passage)),
                f": “{cited.passage.quote}”",
                *lines.heard(minutes, cited.evidence),
            )
            items.append(
                Paragraph(
                    line,
                    f"ref{n}",
                    data=(*lines.facts(minutes, cited.evidence), ("passage", lines.place(cited.passage))),
                )
            )
        yield Listing(tuple(items))


_SECTIONS: tuple[Callable[[Minutes], Iterator[Block]], ...] = (
    _head, _carried, _summary, _decisions, _actions, _open_points, _topics, _references,
)  # fmt: skip


def _item_line(minutes: Minutes, item: Item) -> Paragraph:
    line: Line = (
        lines.question(item.what) if item.kind == "question" else lines.capital(item.what),
        *lines.notes(minutes, item, state=item.status not in (OPEN, DECIDED)),
        *lines.heard(minutes, item.evidence),
    )
    return Paragraph(line, item.id, data=lines.item_facts(minutes, item))


def _carried_line(minutes: Minutes, item: Item) -> Paragraph:
    """What was open when the meeting began, and what became of it here: each step with when it was said."""
    last = max((n for n, change in enumerate(item.history) if change.change == "carried"), default=0)
    origin = next((change.meeting for change in item.history if change.meeting), "")
    had = item.history[last].owner or NOBODY
    was = next((change.due for change in reversed(item.history[: last + 1]) if change.due is not None), Due())
    owner = f", {minutes.said_by(had) or 'nobody yet'}" if item.kind == "action" else ""
    what = lines.question(item.what) if item.kind == "question" else lines.capital(item.what)
    line: list[Inline] = [f"{what}{owner}{f', {was.phrase}' if was else ''}"]
    for before, change in pairwise(item.history[last:]):
        if words := step(minutes, before, change):
            line += [f"; {words}", *lines.heard(minutes, change.evidence)]
    told = item.history[-1].change == item.status
    day = re.match(r"\d{4}-\d\d-\d\d(?=-)", origin)  # a meeting's name begins with its day
    since = f"since {day[0] if day else origin}" if origin else ""
    facts = "; ".join(filter(None, ("" if told else item.status, since)))
    line.append(f" ({facts})" if facts else "")
    return Paragraph(tuple(line), f"last-{item.id}", data=lines.item_facts(minutes, item))


def to_json(minutes: Minutes) -> str:
    """The whole as JSON; `minutes.schema.json` beside this file describes it."""
    texts = {u.id: u for u in minutes.utterances}

    def proof(evidence: Sequence[str]) -> list[dict[str, Any]]:
        said = [texts[id] for id in evidence if id in texts]
        return [
            {"id": u.id, "start_s": u.start_s, "end_s": u.end_s, "speaker": u.speaker, "text": u.text} for u in said
        ]

    blocks = document(minutes).blocks[:-1]
    items = [
        {**asdict(item), "owner_name": minutes.said_by(item.owner), "proof": proof(item.evidence)}
        for item in minutes.items
    ]
    record = {
        "schema": SCHEMA,
        "meeting": minutes.meeting,
        "title": minutes.title,
        "began": minutes.began,
        "duration_s": minutes.duration_s,
        "language": minutes.language,
        "audio_sha256": minutes.audio_sha256,
        "claims_sha256": digest(blocks),
        "notice": minutes.notice,
        "people": [asdict(person) for person in minutes.people],
        "summary": [{**asdict(line), "proof": proof(line.evidence)} for line in minutes.summary],
        "topics": [{**asdict(topic), "start_s": minutes.start_s([topic.spans[0][0]])} for topic in minutes.topics],
        **{
            f"{kind}s": [item for item in items if item["kind"] == kind]
            for kind in ("decision", "action", "question", "risk")
        },
        "references": [{**asdict(cited), "proof": proof(cited.evidence)} for cited in minutes.references],
    }
    return json.dumps(record, ensure_ascii=False, indent=1) + "\n"


def _csv(minutes: Minutes) -> str:
    head = ("id", "kind", "what", "owner", "due phrase", "due", "state", "confidence", "start s", "evidence", "meeting")
    rows = [
        (item.id, item.kind, item.what, minutes.said_by(item.owner), item.due.phrase, item.due.date, item.status,
         round(item.confidence, 2), minutes.start_s(item.evidence), " ".join(item.evidence), minutes.meeting)
        for item in minutes.items
    ]  # fmt: skip
    return sheet.render(head, rows)


def tasks(minutes: Minutes) -> list[calendar.Task]:
    """The action items as a calendar knows them."""
    return [
        calendar.Task(
            uid=f"{minutes.meeting}-{item.id}@rapporteur",
            what=lines.capital(item.what),
            owner=minutes.said_by(item.owner),
            due=date.fromisoformat(item.due.date) if item.due.date else None,
            state="done" if item.status == DONE else "dropped" if item.status == DROPPED else "open",
            details=f"{minutes.title}, {minutes.began[:10]}" + (f"; {item.due.phrase}" if item.due else ""),
        )
        for item in minutes.of_kind("action")
    ]


def _ics(minutes: Minutes) -> bytes:
    try:
        stamp = datetime.fromisoformat(minutes.began)
    except ValueError:
        stamp = datetime(1970, 1, 1, tzinfo=UTC)
    return calendar.render(
        tasks(minutes), name=minutes.title or minutes.meeting, stamp=stamp.astimezone(UTC), id=minutes.meeting
    )


def _word(minutes: Minutes, _: str) -> bytes:
    from pipeline.export.document import word  # python-docx takes a second to load

    return word.render(document(minutes))


def _pdf(minutes: Minutes, _: str) -> bytes:
    from pipeline.export.document import pdf

    return pdf.render(document(minutes))


def with_transcript(minutes: Minutes) -> Document:
    """The minutes and under them every word, so that each link of a page leads to what was said."""
    made = document(minutes)
    names = {person.label: person.name for person in minutes.people}
    spoken = [
        Paragraph(
            (
                *lines.link(minutes, u.id),
                " ",
                *((Strong(f"{names.get(u.speaker, u.speaker)}:"), " ") if u.speaker else ()),
                u.text.strip(),
            ),
            u.id,
            data=(("said", u.id),),
        )
        for u in minutes.utterances
    ]
    said: tuple[Block, ...] = (Heading("What was said"), *spoken) if spoken else ()
    return Document(made.title, (*made.blocks[:-1], *said, made.blocks[-1]), made.facts, made.language, data=made.data)


FORMATS: dict[str, Callable[[Minutes, str], bytes]] = {
    "md": lambda minutes, _: markdown.render(document(minutes)).encode("utf-8"),
    "html": lambda minutes, sound: html.render(with_transcript(minutes), sound=sound).encode("utf-8"),
    "json": lambda minutes, _: to_json(minutes).encode("utf-8", "replace"),
    "docx": _word,
    "pdf": _pdf,
    "csv": lambda minutes, _: _csv(minutes).encode("utf-8", "replace"),
    "ics": lambda minutes, _: _ics(minutes),
}


def sound_for(minutes: Minutes, source: str, folder: Path) -> str:
    """The URL by which a page in `folder` plays the recording; "" where it is gone or another one now."""
    from pipeline.export.page import PageOptions, sound_of

    return sound_of(Path(source), minutes.audio_sha256, minutes.duration_s, options=PageOptions(), folder=folder)
