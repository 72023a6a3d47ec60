"""The shelf in a meeting's service: documents and meetings side by side, passages while it runs, names to expect."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from audio.speech import Utterance
from pipeline.events import Event, Learned, Said
from pipeline.journal import JOURNAL
from pipeline.library import Library, Meeting
from pipeline.settings import RetrievalSettings, Settings
from pipeline.transcript import Transcript
from retrieval import embed
from retrieval.passage import Hit, Passage
from retrieval.references import Reference, cited
from retrieval.search import SURE, answering, quoted, search
from retrieval.shelf import Shelf, Shelved
from retrieval.words import NUMBERS, STOPWORDS, fold

WINDOW = 600  # characters of a meeting's passage, as of a document's
RECENT = 6  # utterances that say what is being talked about: half a minute
EVERY = 3  # utterances between two looks at the shelf
SURE_WHILE_RUNNING = 0.5  # a passage nobody asked for must be surer than an answer
MEETING = "meeting"


def open_shelf(settings: RetrievalSettings, home: Path) -> Shelf:
    """The shelf of the library at `home`; raises ShelfError."""
    return Shelf(home / "shelf", embed.load(settings.model, offline=not settings.download))


def refresh(shelf: Shelf, settings: RetrievalSettings, library: Library | None = None) -> list[Shelved]:
    """Documents, and meetings where a library is given, as they are now; returns what changed."""
    changed = shelf.sync([Path(folder).expanduser() for folder in settings.folders])
    if library is None:
        return changed
    there = {meeting.id: meeting for meeting in library.meetings()}
    marks = shelf.marks(MEETING)
    for gone in marks.keys() - there.keys():
        shelf.drop(gone)
    for name, meeting in there.items():
        state = (library.folder(meeting) / JOURNAL).stat()
        mark = f"{state.st_size} {state.st_mtime_ns}"
        if marks.get(name) != mark:
            passages = tuple(meeting_passages(meeting, Transcript.of(library.events(meeting))))
            changed.append(shelf.put(name, passages, kind=MEETING, mark=mark))
    return changed


def meeting_passages(meeting: Meeting, transcript: Transcript) -> Iterator[Passage]:
    """Its utterances, some at a time, one a line."""
    at = 0
    waiting: list[Utterance] = []

    def passage() -> Passage:
        text = "\n".join(" ".join(u.text.split()) for u in waiting)
        ids, at_s = tuple(u.id for u in waiting), waiting[0].start_s
        sha256, stop = transcript.audio_sha256, at + len(text)
        return Passage(meeting.id, sha256, text, at, stop, meeting.title, lines=ids, at_s=at_s)

    for utterance in transcript.utterances:
        if waiting and sum(len(u.text) + 1 for u in waiting) + len(utterance.text) > WINDOW:
            made = passage()
            yield made
            at = made.stop + 1
            waiting.clear()
        waiting.append(utterance)
    if waiting:
        yield passage()


def answers(shelf: Shelf, question: str, *, most: int = 5) -> list[Hit]:
    """What documents and meetings say to a question, each with the sentence that says it; [] where nothing does."""
    return answering(shelf, question, [hit for hit in search(shelf, question, most=most) if hit.score >= SURE])


def line_of(hit: Hit) -> str:
    """The id of the utterance that a hit in a meeting quotes; "" for a document."""
    passage = hit.passage
    return passage.lines[passage.text.count("\n", 0, hit.start)] if passage.lines else ""


def passages_for(shelf: Shelf, recent: Sequence[str], *, most: int = 2) -> list[Hit]:
    """Passages of documents for what is being said; only sure ones."""
    text = " ".join(recent)
    hits = search(shelf, text, most=most, kind="document") if text.strip() else []
    return [quoted(shelf, text, hit) for hit in hits if hit.score >= SURE_WHILE_RUNNING]


class PassageStage:
    """A stage of the meeting: it adds a Learned "passage" where speech refers to a document or is about one.

    Its state is what was said lately and which passages were given; it is made again from the journal.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def __call__(self, past: Iterable[Event], events: Iterable[Event]) -> Iterator[Event]:
        recent: deque[Utterance] = deque(maxlen=RECENT)
        given = {_key(event.content) for event in past if isinstance(event, Learned) and event.kind == "passage"}
        recent.extend(e.utterance for e in past if isinstance(e, Said) and not e.utterance.suppressed)
        count = 0
        for event in events:
            yield event
            if isinstance(event, Said) and not event.utterance.suppressed:
                recent.append(event.utterance)
                count += 1
                for learned in self._learned(list(recent), look=count % EVERY == 0):
                    if _key(learned.content) not in given:
                        given.add(_key(learned.content))
                        yield learned

    def _learned(self, recent: list[Utterance], *, look: bool) -> Iterator[Learned]:
        said = [utterance.text for utterance in recent]
        if found := cited(said[-1], self._shelf, before=said[:-1]):
            yield Learned("passage", content_of(found.hit, found), (recent[-1].id,))
        elif look:
            for hit in passages_for(self._shelf, said):
                yield Learned("passage", content_of(hit), tuple(utterance.id for utterance in recent))


def content_of(hit: Hit, reference: Reference | None = None) -> dict[str, Any]:
    """A hit as the content of a Learned "passage": enough to show it, and to check later that it still stands there."""
    passage = hit.passage
    return {
        "document": passage.name,
        "path": passage.document,
        "sha256": passage.sha256,
        "page": passage.page,
        "section": passage.number,
        "heading": passage.section,
        "quote": hit.quote,
        "start": passage.start + hit.start,  # of the quote in the document's text, in characters
        "score": round(hit.score, 3),
        "by": "content" if reference is None else "reference" if reference.named else "words",
    }


def prompt_terms(shelf: Shelf, most: int) -> list[str]:
    """Names and jargon of the documents, as they are printed: what recurs in them and is no everyday word."""
    printed: Counter[str] = Counter()
    inside: Counter[str] = Counter()
    count = 0
    for _, passage in shelf.all_passages("document"):
        count += 1
        written = passage.text.split()
        words = [word.strip(".,;:!?()[]\"'“”’") for word in written]
        named = {w for i, w in enumerate(words) if _is_name(w) and i and written[i - 1][-1].isalnum()}
        inside.update(named)
        printed.update(w for w in words if w in named)
    worth = {w: printed[w] * math.log(1 + count / inside[w]) for w in inside}
    return sorted(worth, key=lambda w: (-worth[w], w))[:most]


def prompted(settings: Settings, home: Path) -> Settings:
    """The settings with the shelf's names among the words to expect; the same where retrieval.prompt_terms is 0."""
    if not settings.retrieval.prompt_terms:
        return settings
    shelf = open_shelf(settings.retrieval, home)
    refresh(shelf, settings.retrieval)
    words = [*settings.recognition.hotwords.split(), *prompt_terms(shelf, settings.retrieval.prompt_terms)]
    return replace(settings, recognition=replace(settings.recognition, hotwords=" ".join(dict.fromkeys(words))))


def _is_name(word: str) -> bool:
    """A capital or a digit among letters where no sentence begins: "Zigbee", "iPhone", "BQ24", not "Seventy"."""
    plain = fold(word)
    if (
        len(word) < 3
        or not word[0].isalnum()
        or plain in STOPWORDS
        or plain in NUMBERS
        or not any(map(str.isalpha, word))
    ):
        return False
    return any(c.isupper() for c in word) or any(c.isdigit() for c in word)


def _key(content: dict[str, Any]) -> tuple[Any, ...]:
    loosely = content.get("by") == "content"  # what was only near may still be named later
    return content.get("path"), content.get("start"), content.get("quote"), loosely
