"""What was talked about, when, and when it came back: from how chairs announce topics, or from the memory's marks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from audio.speech import Utterance
from memory.marks import Marks
from memory.notes import Topic
from memory.tasks import Span
from memory.wording import STOP, Sentence, content_of, likeness, sentences, stem, words_of

_NAME = r"(?P<name>(?:the |our |your |a )?\S.*)"
_ANNOUNCED = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:first|second|third|fourth|next|last|final|another|other) (?:topic|point|item|issue|thing|subject)(?: on (?:the|our) (?:agenda|list))?(?: today| now| for today)? (?:is|are|will be|would be) {_NAME}",
        rf"(?:let us|let me|we will|we can|can we|could we|shall we|should we|we should|i want to|i would like to|now we|we) (?:now |then |just |also |quickly |briefly |first )*(?:talk|speak) about {_NAME}",
        rf"(?:let us|let me|we will|we can|can we|could we|shall we|should we|we should|now we|we|to) (?:now |then |just |also |quickly |briefly )*(?:move|go|come|turn|get|switch) (?:on |over |back |on over )?to (?!the (?:next|end)|that\b|this\b|it\b|you\b|work\b){_NAME}",
        rf"(?:let us|we will|can we|could we|shall we) (?:now |then |just |first )*(?:discuss|start with|begin with|look at|continue with|go over|go through) (?!that\b|this\b|it\b){_NAME}",
        rf"(?:back to|that brings us to|moving on to|coming to|turning to|regarding|so much for that now) (?!that\b|this\b|it\b|you\b){_NAME}$",
    )
)  # fmt: skip
_ENDS = re.compile(
    r"^(?:(?:okay|so|and|well|good|all right|right) )*(?:is there )?(?:anything else|any other business|that is (?:it|all) for today|thank you all|thanks everybody)(?!\S)"
)
_NO_TITLE = frozenset("meeting end start work lunch next point topic thing item agenda minute time home break".split())
MOST_WORDS = 6
_NO_DAY = date(2000, 1, 1)  # dates play no part in titles


@dataclass(frozen=True)
class _Turn:
    """Where a topic begins or comes back."""

    utterance_id: str
    title: str
    words: frozenset[str]


def topics(
    utterances: Sequence[Utterance],
    marks: Mapping[str, Marks] | None = None,
    names: Mapping[int, tuple[str, tuple[str, ...]]] | None = None,
) -> tuple[Topic, ...]:
    """The topics in order of appearance; () where nothing tells them apart.

    What the chair announced, unless the memory tells more stretches apart: where chairs announce little it hears more,
    and in a short meeting hardly anything (bench/README.md). `names` are what it called its own, with their proof.
    """
    announced = _announced(utterances)
    if not marks:
        return announced
    remembered = marked(utterances, marks, names)
    return announced if _stretches(announced) >= _stretches(remembered) else remembered


def _stretches(found: Iterable[Topic]) -> int:
    return sum(len(topic.spans) for topic in found)


def _announced(utterances: Sequence[Utterance]) -> tuple[Topic, ...]:
    turns = [turn for utterance in utterances for sentence in sentences(utterance) if (turn := _turn(sentence))]
    if not turns:
        return ()
    order = [utterance.id for utterance in utterances]
    places = {id: i for i, id in enumerate(order)}
    made: list[Topic] = []
    for i, turn in enumerate(turns):
        last = order[places[turns[i + 1].utterance_id] - 1] if i + 1 < len(turns) else order[-1]
        if places[last] < places[turn.utterance_id]:
            continue  # announced twice in one breath
        span = (turn.utterance_id, last)
        known = next((n for n, topic in enumerate(made) if likeness(turn.words, content_of(topic.title)) >= 0.5), None)
        if known is None:
            made.append(Topic(f"t{len(made) + 1}", turn.title, (turn.utterance_id,), (span,)))
        else:
            topic = made[known]
            spans = (
                (*topic.spans[:-1], (topic.spans[-1][0], last))
                if made[-1] is topic and _joins(topic, span, places)
                else (*topic.spans, span)
            )
            made[known] = Topic(topic.id, topic.title, topic.title_ids, spans)
    return tuple(made)


def _joins(topic: Topic, span: tuple[str, str], places: Mapping[str, int]) -> bool:
    return places[span[0]] - places[topic.spans[-1][1]] <= 1


def _turn(sentence: Sentence) -> _Turn | None:
    if _ENDS.match(sentence.plain):
        return _Turn(sentence.utterance_id, "Closing", frozenset({"closing"}))
    for pattern in _ANNOUNCED:
        found = pattern.search(sentence.plain)
        if not found:
            continue
        first = sentence.word_at(found.start("name"))
        span = Span(sentence, first, min(len(sentence.words), first + 12), _NO_DAY)
        span.found = None
        words = content_of(span.text)
        if words and len(span.words) <= MOST_WORDS + 2 and not words <= {stem(word) for word in _NO_TITLE}:
            return _Turn(sentence.utterance_id, span.text[:1].upper() + span.text[1:], words)
    return None


def marked(
    utterances: Sequence[Utterance],
    marks: Mapping[str, Marks],
    names: Mapping[int, tuple[str, tuple[str, ...]]] | None = None,
) -> tuple[Topic, ...]:
    """Topics by the numbers that the memory gives, by its names; where it has none, by the words that set one apart."""
    spans: dict[int, list[tuple[str, str]]] = {}
    texts: dict[int, list[Utterance]] = {}
    before = -1
    for utterance in utterances:
        number = marks[utterance.id].topic if utterance.id in marks else max(before, 0)
        texts.setdefault(number, []).append(utterance)
        stretches = spans.setdefault(number, [])
        if number == before:
            stretches[-1] = (stretches[-1][0], utterance.id)
        else:
            stretches.append((utterance.id, utterance.id))
        before = number
    everywhere = Counter(words_of(utterances))
    made = []
    for i, (number, stretches) in enumerate(spans.items(), 1):
        title, ids = (names or {}).get(number, ("", ()))
        if not title:
            title, ids = _keywords(texts[number], everywhere)
        made.append(Topic(f"t{i}", title, ids, tuple(stretches)))
    return tuple(made)


def _keywords(said: Iterable[Utterance], everywhere: Counter[str]) -> tuple[str, tuple[str, ...]]:
    said = list(said)
    own = Counter(word for word in words_of(said) if word not in STOP and len(word) > 3)
    best = sorted(own, key=lambda word: (-(own[word] ** 2) / everywhere[word], word))[:3]
    ids = tuple(u.id for u in said if set(best) & set(words_of([u])))
    return ", ".join(best).capitalize() or "Topic", ids
