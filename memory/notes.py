"""What the mind notes of a meeting. Every item names the utterances that prove it, and how it came to be what it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, Self

from memory.corpora import MindError

ITEM_KINDS = ("action", "decision", "question", "risk")
OPEN, DONE, DROPPED = "open", "done", "dropped"  # of actions, questions ("done" = answered) and risks
WITHDRAWN = "withdrawn"  # it was noted while the meeting ran, and does not hold after its end
DECIDED, REVERSED, REPLACED = "decided", "reversed", "changed"  # of decisions; the text is what holds in the end


@dataclass(frozen=True)
class Owner:
    """Who is to do something, and never a guess."""

    kind: Literal["speaker", "person", "group", "nobody"] = "nobody"
    name: str = ""  # the speaker's label "S1", a name or role that was said, the group's words

    def __bool__(self) -> bool:
        return self.kind != "nobody"


NOBODY = Owner()


@dataclass(frozen=True)
class Due:
    """By when: the words, and the day they mean where they mean one."""

    phrase: str = ""
    date: str = ""  # ISO 8601; "" = the words do not say which day

    def __bool__(self) -> bool:
        return bool(self.phrase)


@dataclass(frozen=True)
class Passage:
    """A place in a reference document, as plain data."""

    document: str
    quote: str
    page: int = 0  # from 1; 0 = the document has none
    section: str = ""
    sha256: str = ""  # of the document, as far as it is known


@dataclass(frozen=True)
class Change:
    """One step of an item's life."""

    change: str  # raised assigned reassigned due decided reversed changed done dropped reopened answered carried edited
    evidence: tuple[str, ...]  # utterance ids, of `meeting` where it names one
    what: str = ""  # "" = as before
    owner: Owner | None = None
    due: Due | None = None
    meeting: str = ""  # "" = this one
    by: str = ""  # "user" for an edit, "" for what was said


@dataclass(frozen=True)
class Item:
    """A decision, question or risk, and what an action shares with them."""

    id: str  # "a1", "d2", ...: unique in the meeting; a carried one has its first meeting before it
    kind: str  # one of ITEM_KINDS
    what: str
    status: str
    evidence: tuple[str, ...]  # utterance ids of this meeting, in order
    history: tuple[Change, ...]
    confidence: float = 0.5  # 0 to 1
    owner: Owner = NOBODY
    due: Due = Due()
    passages: tuple[Passage, ...] = ()
    quote_ids: tuple[str, ...] = ()  # utterances that `what` takes its words from
    series: str = ""  # the series that carried it here

    def changed(self, change: Change, **now: Any) -> Self:
        """After one more step; evidence grows, the rest is replaced by `now`."""
        evidence = (*self.evidence, *(e for e in change.evidence if e not in self.evidence))
        return replace(self, history=(*self.history, change), evidence=evidence, **now)


@dataclass(frozen=True)
class Topic:
    """What was talked about, when, and when it came back."""

    id: str  # "t1", ... by first appearance
    title: str
    title_ids: tuple[str, ...]  # utterances that the title's words are from
    spans: tuple[tuple[str, str], ...]  # first and last utterance of each stretch; more than one = it returned


def to_content(item: Item | Topic) -> dict[str, Any]:
    """Plain values for an event."""
    return asdict(item)


def item_from(content: dict[str, Any]) -> Item:
    """The item that `to_content` made; raises MindError where the values are not one."""
    try:
        known = {f.name for f in fields(Item)}
        row = {key: value for key, value in content.items() if key in known}
        row["owner"], row["due"] = Owner(**row.get("owner", {})), Due(**row.get("due", {}))
        row["passages"] = tuple(Passage(**p) for p in row.get("passages", ()))
        row["history"] = tuple(_change(c) for c in row.get("history", ()))
        row |= {key: tuple(row.get(key, ())) for key in ("evidence", "quote_ids")}
        return Item(**row)
    except (TypeError, ValueError, AttributeError) as error:
        raise MindError(
            "a note in the journal is not one that this version of rapporteur reads; run `rapporteur minutes --again`"
        ) from error


def topic_from(content: dict[str, Any]) -> Topic:
    """The topic that `to_content` made; raises MindError where the values are not one."""
    try:
        spans = tuple((str(a), str(b)) for a, b in content["spans"])
        return Topic(content["id"], content["title"], tuple(content["title_ids"]), spans)
    except (TypeError, ValueError, KeyError) as error:
        raise MindError(
            "a topic in the journal is not one that this version of rapporteur reads; run `rapporteur minutes --again`"
        ) from error


def _change(row: dict[str, Any]) -> Change:
    owner, due = row.get("owner"), row.get("due")
    return Change(
        row["change"],
        tuple(row["evidence"]),
        row.get("what", ""),
        Owner(**owner) if owner else None,
        Due(**due) if due else None,
        row.get("meeting", ""),
        row.get("by", ""),
    )


@dataclass(frozen=True)
class Cue:
    """What one sentence does with an item, before it is known which item that is."""

    kind: str  # commit ask accept refuse assign need claim release move decide reverse postpone done drop question risk
    what: str = ""
    owner: Owner = NOBODY
    due: Due = Due()
    strength: float = 0.5  # how sure the words alone are, 0 to 1
    about: str = ""  # "that", "it": it means the last one
    details: dict[str, str] = field(default_factory=dict)
