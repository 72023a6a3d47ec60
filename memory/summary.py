"""A summary made of sentences that were said: the weightiest ones, spread over the topics, in the order of the meeting."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from audio.speech import Utterance
from memory.marks import Marks
from memory.notes import REPLACED, REVERSED, Item, Topic
from memory.wording import STOP, Sentence, content, likeness, sentences, stem

SHARE, LEAST, MOST = 0.06, 3, 12  # sentences of a summary: part of all, and its bounds
# What being evidence of a decision, question or risk adds, where weights are 0 to about 1; tasks have a table of their own.
# Chosen on AMI dev, without the memory: ROUGE-1 0.322 (0.298 with 0.6 for tasks, too; 0.319 with nothing for any).
NOTED = 0.3


def salient(
    utterances: Sequence[Utterance],
    items: Iterable[Item] = (),
    topics: Sequence[Topic] = (),
    marks: Mapping[str, Marks] | None = None,
    *,
    most: int | None = None,
) -> tuple[Sentence, ...]:
    """The sentences of the summary; () where nothing was said. What was decided and taken back later is not among them."""
    said = [sentence for utterance in utterances for sentence in sentences(utterance)]
    proof, past = set[str](), set[str]()
    for item in items:
        if item.kind != "action":
            before, since = _steps(item)
            proof, past = proof | since, past | before
    weights = weigh(said)
    scored = []
    for number, sentence in enumerate(said):
        weight = weights[number] + (NOTED if sentence.utterance_id in proof else 0.0)
        if marks and sentence.utterance_id in marks:
            weight += marks[sentence.utterance_id].salience
        scored.append((weight, -number))
    count = most or min(MOST, max(LEAST, round(SHARE * len(said))))
    place = _places(utterances, topics)
    chosen: list[int] = []
    for topic_quota in (max(2, math.ceil(count / max(1, len(topics)))), count):
        for _, negative in sorted(scored, reverse=True):
            number = -negative
            if len(chosen) >= count or number in chosen or not _tells(said[number]):
                continue
            if said[number].utterance_id in past - proof:
                continue
            same = [n for n in chosen if place.get(said[n].utterance_id) == place.get(said[number].utterance_id)]
            repeated = any(likeness(content(said[number].words), content(said[n].words)) > 0.6 for n in chosen)
            if len(same) < topic_quota and not repeated:
                chosen.append(number)
    return tuple(said[n] for n in sorted(chosen))


def _steps(item: Item) -> tuple[set[str], set[str]]:
    """The utterances that prove what no longer holds of an item, and those that prove the rest."""
    turns = [n for n, change in enumerate(item.history) if change.change in (REVERSED, REPLACED)]
    last = turns[-1] if turns else 0
    before, since = item.history[:last], item.history[last:]
    return {id for c in before for id in c.evidence}, {id for c in since for id in c.evidence}


def weigh(said: Sequence[Sentence]) -> list[float]:
    """How much each sentence says of what the meeting is about, about 0 to 1: mean weight of its words, favouring length.

    A word weighs log-frequency times inverse sentence frequency, as in centroid summaries (Radev et al. 2004).
    """
    stems = [[stem(word) for word in sentence.words if word not in STOP and len(word) > 1] for sentence in said]
    often = Counter(word for words in stems for word in words)
    spread = Counter(word for words in stems for word in set(words))
    value = {w: math.log1p(often[w]) * math.log(1 + len(said) / spread[w]) for w in often}
    top = max(value.values(), default=1.0)
    return [
        sum(value[w] for w in set(words)) / top / (len(set(words)) + 2) * min(1.0, len(words) / 6) if words else 0.0
        for words in stems
    ]


def _tells(sentence: Sentence) -> bool:
    """Whether it can stand alone: neither a scrap, nor a question, nor endless."""
    return 5 <= len(sentence.words) <= 45 and not sentence.asks


def _places(utterances: Sequence[Utterance], topics: Sequence[Topic]) -> dict[str, str]:
    """Utterance to topic."""
    order = {u.id: i for i, u in enumerate(utterances)}
    return {
        utterance.id: topic.id
        for topic in topics
        for first, last in topic.spans
        for utterance in utterances[order.get(first, 0) : order.get(last, -1) + 1]
    }
