"""Minutes while the meeting runs and after it: a stage that notes, and the minutes that a journal holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from audio.speech import Utterance
from memory.agenda import topics
from memory.extract import LANGUAGES, Extractor
from memory.marks import Marks
from memory.minutes import Cited, Line, Minutes, people_of
from memory.notes import (
    ITEM_KINDS,
    OPEN,
    WITHDRAWN,
    Change,
    Item,
    Owner,
    Passage,
    Topic,
    item_from,
    to_content,
    topic_from,
)
from memory.people import Addressed, People
from memory.settle import settled
from memory.summary import salient
from memory.votes import believing
from memory.wording import Sentence, content_of, lean, sentences, tidy
from pipeline.events import REREAD, Concluded, Corrected, Event, Learned, Named, Opened, Said, to_line
from pipeline.pressed import Pressed
from pipeline.transcript import Transcript, display_name, marks_of

NEARBY = 12  # utterances between a passage and a task that it may belong to: about a minute
MOST_PASSAGES = 2  # of an item
RENEWED = ("topic", "summary", "renewed")  # beside the items: what is made anew with `minutes --again`
ADDRESSED = "address"  # who named a speaker: the others, by speaking to him


class MinutesStage:
    """Adds a Learned for every item as it becomes known or changes, and the topics and the summary before Concluded.

    Its state is the extractor's, made again from the journal. `carried` is what the series' last meeting left open.
    """

    def __init__(self, carried: Iterable[Item] = ()) -> None:
        self._carried = tuple(carried)

    def __call__(self, past: Iterable[Event], events: Iterable[Event]) -> Iterator[Event]:
        past = list(past)
        taker = _Taker(self._carried or carried_here(past))
        known = {to_line(event) for event in past if isinstance(event, Learned | Named)}
        noted = [note for event in past for note in taker.hear(event)]
        yield from (note for note in noted if to_line(note) not in known)  # what a break, or the beginning, left out
        for event in events:
            if isinstance(event, Concluded):
                yield from taker.finish()
            yield event
            yield from taker.hear(event)


class _Taker:
    """Takes the notes of one meeting, event by event."""

    def __init__(self, carried: tuple[Item, ...]) -> None:
        self._carried = carried
        self._extractor: Extractor | None = None
        self._addressed = Addressed()
        self._names: dict[str, tuple[str, str]] = {}  # label -> name, by whom
        self._heard: set[str] = set()  # ids of utterances
        self._kept = Pressed()  # what was said and corrected, and the memory's marks: only the end asks for them
        self._subjects: dict[int, tuple[str, tuple[str, ...]]] = {}  # what the memory calls its topics, and the proof
        self._by_hand: set[str] = set()  # items that the user changed: his word is the last one
        self._day = date.today()  # where a journal has no head

    def hear(self, event: Event) -> Iterator[Event]:
        """What this event adds to the notes."""
        match event:
            case Opened():
                self._day = meeting_day(event.began)
                self._extractor = Extractor(self._day, carried=self._carried)
                yield from self._learned(self._extractor.book.taken())
            case Corrected():
                self._kept.add(event)
            case Learned() if event.kind in ITEM_KINDS and _by_hand(event):
                self._by_hand.add(str(event.content.get("id")))
            case Named():
                self._names[event.speaker] = event.name, event.by
                self._know()
            case Learned(kind="subject", content={"topic": int(number), "title": str(title)}):
                self._subjects[number] = title, event.evidence
            case Learned() if event.kind in ("marks", REREAD):
                self._kept.add(event)
            case Said(utterance) if not utterance.suppressed and utterance.id not in self._heard:
                self._heard.add(utterance.id)
                self._kept.add(Said(lean(utterance)))
                yield from self._note(utterance)

    def finish(self) -> Iterator[Event]:
        """What only the end settles."""
        if self._extractor is None:
            return
        yield from self._learned(self._extractor.finish())
        kept = list(self._kept)
        spoken = list(Transcript.of(kept).utterances)
        marks = {mark.utterance_id: mark for mark in marks_of(kept)}
        final = self._heard_again(spoken, marks)
        yield from self._learned(settled((i for i in self._extractor.book.items.values() if i.id), final))
        found = topics(spoken, marks or None, self._subjects)
        yield from (Learned("topic", to_content(topic), topic.title_ids) for topic in found)
        for sentence in salient(spoken, final, found, marks or None):
            yield Learned("summary", {"text": _shown(sentence)}, (sentence.utterance_id,))

    def _heard_again(self, spoken: Iterable[Utterance], marks: Mapping[str, Marks]) -> list[Item]:
        """The items of the whole meeting, now that every text, speaker and name is settled."""
        believed = believing(marks.values())
        again = Extractor(self._day, people=self._people(), carried=self._carried, believed=believed)
        for utterance in spoken:
            again.hear(utterance, marks.get(utterance.id))
        again.finish()
        return [item for item in again.book.items.values() if item.id and item.status != WITHDRAWN]

    def _note(self, utterance: Utterance) -> Iterator[Event]:
        if self._extractor is None:  # a journal without its head
            self._extractor = Extractor(self._day, carried=self._carried)
        for sentence in sentences(utterance):
            self._addressed.hear(sentence, self._extractor.people)
        for label, (name, confidence) in self._addressed.names().items():
            taken = {known for known, _ in self._names.values()}
            if label not in self._names and name not in taken:
                self._names[label] = name, ADDRESSED
                self._know()
                yield Named(label, name, ADDRESSED, confidence)
        yield from self._learned(self._extractor.hear(utterance))

    def _know(self) -> None:
        if self._extractor is not None:
            self._extractor.people = self._people()

    def _people(self) -> People:
        before = (item.owner.name for item in self._carried if item.owner.kind == "person")
        here = {label: name for label, (name, _) in self._names.items() if name}
        return People(here, others=tuple(dict.fromkeys(name for name in before if name not in here.values())))

    def _learned(self, items: Iterable[Item]) -> Iterator[Learned]:
        return (Learned(i.kind, to_content(i), i.evidence) for i in items if i.id not in self._by_hand)


def _by_hand(event: Learned) -> bool:
    return any(change.get("by") == "user" for change in event.content.get("history", ()))


LEAST_WORDS = 4  # of a sentence of the summary without its opening
_OPENING = re.compile(
    r"^(?:(?:good point|good idea|all right|thank you|okay|ok|so|and|then|but|well|now|yes|yeah|right|good|great|fine|sure|perfect|thanks|"
    r"alright|agreed|um|uh)(?:,? (?!I\b)(?-i:[A-Z])\w+(?=,))?[,.]? )+",
    re.IGNORECASE,
)


def _shown(sentence: Sentence) -> str:
    """The sentence without the words that only tie it to the one before: "Good point, so", "Thank you, Maria, and"."""
    text = tidy(sentence.text)
    bare = _OPENING.sub("", text)
    text = bare if len(bare.split()) >= LEAST_WORDS else text
    return text[:1].upper() + text[1:] + "."


def meeting_day(began: str) -> date:
    """The day from which dates are counted; today where the journal does not say."""
    try:
        return datetime.fromisoformat(began).date()
    except ValueError:
        return date.today()


def noted(
    events: Iterable[Event], after: Iterable[Callable[[Iterable[Event], Iterable[Event]], Iterator[Event]]] = ()
) -> list[Event]:
    """The events with notes that are made now, and what the stages `after` add: for meetings that were kept without."""
    events = list(events)
    known = [e for e in events if not (isinstance(e, Learned) and e.kind in (*ITEM_KINDS, *RENEWED))]
    told: Iterable[Event] = MinutesStage(carried_here(events))((), [Learned("renewed", {}, ()), *known])
    for stage in after:
        told = stage((), told)
    return list(told)


def carried_here(events: Iterable[Event]) -> tuple[Item, ...]:
    """What a meeting took over from the one before in its series, as it took it over."""
    found: dict[str, Item] = {}
    for event in events:
        if isinstance(event, Learned) and event.kind in ITEM_KINDS and event.content.get("series"):
            item = item_from(event.content)
            if item.history[-1].change == "carried":
                found.setdefault(item.id, item)
    return tuple(found.values())


def minutes_of(events: Iterable[Event]) -> Minutes:
    """The minutes that a journal holds, running or over; the last word on each item counts. Raises MindError."""
    events = list(events)
    transcript = Transcript.of(events)
    names: dict[str, str] = {}
    items: dict[str, Item] = {}
    subjects: dict[str, Topic] = {}
    summary: dict[str, Line] = {}
    kept: set[str] = set()  # sentences that stay beside rewritten ones
    passages: list[Learned] = []
    for event in events:
        match event:
            case Named():
                names[event.speaker] = event.name or event.speaker
            case Learned(kind="topic"):
                subjects[str(event.content.get("id"))] = topic_from(event.content)
            case Learned(kind="summary"):
                text = str(event.content.get("text", ""))
                summary[text] = Line(text, event.evidence, bool(event.content.get("rewritten")), _quotes(event))
                kept |= {text} if event.content.get("kept") else set()
            case Learned(kind="renewed"):
                items, subjects, summary, kept = {}, {}, {}, set()
                passages = [event for event in passages if event.content.get("by") != "item"]
            case Learned(kind="passage"):
                passages.append(event)
            case Learned() if event.kind in ITEM_KINDS:
                items[str(event.content.get("id"))] = item_from(event.content)
    if any(line.rewritten for line in summary.values()):
        summary = {text: line for text, line in summary.items() if line.rewritten or text in kept}
    references = tuple(
        Cited(passage_of(event.content), event.evidence)
        for event in passages
        if event.content.get("by") not in ("content", "item")
    )
    return Minutes(
        meeting=transcript.meeting,
        title=transcript.title,
        began=transcript.began,
        duration_s=transcript.duration_s,
        language=transcript.language,
        audio_sha256=transcript.audio_sha256,
        people=people_of(transcript.utterances, {**transcript.speakers, **names}),
        summary=tuple(summary.values()),
        topics=tuple(subjects.values()),
        items=tuple(
            with_passages(item, passages, transcript, subjects.values()) for item in _standing(items, transcript)
        ),
        references=references,
        utterances=transcript.utterances,
        notice=_notice(transcript),
    )


def _quotes(event: Learned) -> tuple[tuple[str, str], ...]:
    return tuple((str(id), str(words)) for id, words in event.content.get("quotes", ()))


def _standing(items: dict[str, Item], transcript: Transcript) -> list[Item]:
    """What holds, in the order in which it came up; what was carried here first."""
    places = {u.id: n for n, u in enumerate(transcript.utterances)}
    holds = [item for item in items.values() if item.status != WITHDRAWN]
    return sorted(holds, key=lambda i: (not i.series, min((places[e] for e in i.evidence if e in places), default=-1)))


def _notice(transcript: Transcript) -> str:
    if not transcript.utterances:
        return "No words were found in this recording, so there is nothing to note."
    if transcript.language.split("-")[0] not in LANGUAGES:
        known = " and ".join(LANGUAGES)
        return f'Decisions and tasks were not looked for: the rules know "{known}" and this meeting speaks "{transcript.language}". Every word is in the transcript.'
    return ""


def passage_of(content: dict[str, Any]) -> Passage:
    """The passage of a Learned, as plain data."""
    section = content.get("heading") or content.get("section") or ""
    return Passage(
        document=str(content.get("document", "")),
        quote=str(content.get("quote", "")),
        page=int(content.get("page") or 0),
        section=str(section),
        sha256=str(content.get("sha256", "")),
    )


def with_passages(item: Item, passages: Iterable[Learned], transcript: Transcript, subjects: Iterable[Topic]) -> Item:
    """The item with the passages that were named with it, or just before and about the same thing.

    About the same thing is a passage whose words or document's name the task names, or whose document bears the name
    of the topic in which both came up.
    """
    places = {u.id: n for n, u in enumerate(transcript.utterances)}
    here = [places[id] for id in item.evidence if id in places]
    if not here:
        return item
    own = content_of(item.what)
    about = _topic_words(here[0], subjects, places)
    ranked: list[tuple[int, int, Passage]] = []
    for event in passages:
        passage, at = passage_of(event.content), [places[id] for id in event.evidence if id in places]
        if event.content.get("by") == "item":
            rank = 0 if event.content.get("item") == item.id else 9
        else:
            rank = _closeness(own, about, passage, here, at) if at and event.content.get("by") != "content" else 9
        if rank < 9:
            ranked.append((rank, -max(at, default=0), passage))
    best = {(p.document, p.quote): p for _, _, p in sorted(ranked, key=lambda row: row[:2])}
    return replace(item, passages=tuple(best.values())[:MOST_PASSAGES]) if best else item


def _closeness(own: frozenset[str], about: frozenset[str], passage: Passage, here: list[int], at: list[int]) -> int:
    """0 = named with the item, then by how loosely they belong together; 9 = they do not."""
    name = content_of(re.sub(r"[-_.]", " ", passage.document.rpartition(".")[0]))
    back = min((h - a for h in here for a in at if h >= a), default=NEARBY + 1)
    if set(here) & set(at):
        return 0
    if back <= NEARBY and own & content_of(passage.quote):
        return 1
    if name and name <= own:
        return 2
    return 3 if back <= NEARBY and name & about else 9


def _topic_words(place: int, subjects: Iterable[Topic], places: dict[str, int]) -> frozenset[str]:
    for topic in subjects:
        if any(places.get(first, 0) <= place <= places.get(last, -1) for first, last in topic.spans):
            return content_of(topic.title)
    return frozenset()


def carried_over(minutes: Minutes, series: str, number: int) -> tuple[Item, ...]:
    """What a meeting leaves open, for the next one of its series; `number` is the meeting's place in it, from 1.

    A speaker's label means nothing in another meeting: an owner goes over by name, or by what he was called here.
    """
    left = []
    for item in minutes.items:
        if item.status != OPEN or item.kind == "decision":
            continue
        name = minutes.said_by(item.owner)
        if item.owner.kind == "speaker" and name == display_name(item.owner.name):
            name = f"{name} of {minutes.began[:10]}"
        owner = Owner("person", name) if item.owner.kind == "speaker" else item.owner
        past = tuple(replace(change, meeting=change.meeting or minutes.meeting) for change in item.history)
        carried = Change("carried", (), meeting="", owner=owner)
        id = item.id if re.match(r"m\d+\.", item.id) else f"m{number}.{item.id}"
        left.append(
            replace(item, id=id, owner=owner, evidence=(), quote_ids=(), history=(*past, carried), series=series)
        )
    return tuple(left)
