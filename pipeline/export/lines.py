"""The parts of a line of the minutes: whose words, by when, what became of it, where it was heard, and its facts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise

from memory.minutes import Line as Said
from memory.minutes import Minutes
from memory.notes import Item, Passage
from pipeline.export.document import Line, Link, Soft
from pipeline.export.steps import step
from pipeline.export.text import clock

_ASKS = re.compile(
    r"(?:do|does|did|is|are|was|can|could|should|shall|will|would|has|have|who|whose|what|which|where|when|why|how)\b[^?]*$",
    re.IGNORECASE,
)


def question(text: str) -> str:
    """With a question mark, where the words are a question."""
    return capital(text) + ("?" if _ASKS.match(text) else "")


def speaker(minutes: Minutes, said: Said) -> Line:
    """Who said a sentence of the summary, so that its "I" is somebody; () for a rewritten one."""
    speakers = {u.speaker for u in minutes.utterances if u.id in said.evidence and u.speaker}
    if said.rewritten or len(speakers) != 1:
        return ()
    (label,) = speakers
    return (Soft(f"{next((p.name for p in minutes.people if p.label == label), label)}: "),)


def when(item: Item) -> Line:
    """The day, and behind it the words it was said in; the words alone where they name no day."""
    if not item.due.date:
        return (item.due.phrase,)
    day = date.fromisoformat(item.due.date)
    spelled = f"{day:%a} {day.day} {day:%B %Y}"
    return (spelled, Soft(f" ({item.due.phrase})")) if item.due.phrase else (spelled,)


def notes(minutes: Minutes, item: Item, *, state: bool = False) -> Line:
    """The item's state if wanted, its history where it has one, and its passages, behind it in small."""
    steps = list(filter(None, _steps(minutes, item)))
    word = item.status
    if not state and steps[-1:] == [word]:
        steps.pop()  # the column beside it says so
    said = [] if not state or any(each.startswith(word) for each in steps) else [word]
    places = "; ".join(_places(item.passages))
    told = "; ".join([*said, *steps, *([f"see {places}"] if places else [])])
    return (Soft(f" ({told})"),) if told else ()


def _steps(minutes: Minutes, item: Item) -> Iterator[str]:
    """What became of the item, without what its row says anyway: whose it is and by when, if that was open before."""
    had, was = item.history[0].owner, item.history[0].due
    for before, change in pairwise(item.history):
        now = change.owner is not None and minutes.said_by(change.owner) == minutes.said_by(item.owner)
        first = change.change == "assigned" and not had and now and not change.by
        dated = change.due is not None and change.due == item.due and not (was and was.phrase) and not change.by
        told = first or (change.change == "due" and dated)
        yield "" if told else step(minutes, before, change, had=had, was=was)
        had, was = change.owner or had, change.due or was


def _places(passages: Sequence[Passage]) -> list[str]:
    """The places, those of one document together: "budget.pdf, pages 1 and 2"."""
    by_document: dict[str, list[Passage]] = {}
    for passage in passages:
        by_document.setdefault(passage.document, []).append(passage)
    found = []
    for document, its in by_document.items():
        pages = [str(page) for page in sorted({passage.page for passage in its if passage.page})]
        sections = dict.fromkeys(passage.section for passage in its if not passage.page and passage.section)
        told = [f"page{'s' if len(pages) > 1 else ''} {_listed(pages)}"] if pages else []
        found.append(", ".join([document, *told, *([_listed(list(sections))] if sections else [])]))
    return found


def _listed(words: Sequence[str]) -> str:
    """ "a, b and c"."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def capital(text: str) -> str:
    """With a capital at its beginning."""
    return text[:1].upper() + text[1:]


def place(passage: Passage) -> str:
    """Document and page, or section."""
    page = f"page {passage.page}" if passage.page else ""
    return ", ".join(filter(None, (passage.document, page or passage.section)))


def heard(minutes: Minutes, evidence: Sequence[str]) -> Line:
    """Links to when it was said, two of them at most."""
    known = {u.id: u for u in minutes.utterances}
    ids = [id for id in evidence if id in known]
    chosen = ids if len(ids) < 3 else [ids[0], ids[-1]]
    return tuple(piece for n, id in enumerate(chosen) for piece in (" " if n == 0 else ", ", *link(minutes, id)))


def link(minutes: Minutes, id: str) -> Line:
    """To when an utterance was said."""
    start_s = minutes.start_s([id])
    if start_s is None:
        return ()
    return (Link(clock(start_s).removeprefix("00:"), f"#{id}", start_s),)


def facts(minutes: Minutes, evidence: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """What `rapporteur verify` needs: utterances and their time, as names and values."""
    known = {u.id: u for u in minutes.utterances}
    said = [known[id] for id in evidence if id in known]
    times = (
        (("start", f"{min(u.start_s for u in said):.2f}"), ("end", f"{max(u.end_s for u in said):.2f}")) if said else ()
    )
    return (("evidence", " ".join(evidence)), *times)


def item_facts(minutes: Minutes, item: Item) -> tuple[tuple[str, str], ...]:
    """The same of an item, with its kind and passages."""
    passages = "; ".join(place(passage) for passage in item.passages)
    return (("kind", item.kind), *facts(minutes, item.evidence), *((("passages", passages),) if passages else ()))
