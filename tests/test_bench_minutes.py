"""The bench of badly heard meetings: what is misheard is seeded and counted, and what is judged is what was planted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.minutes_talks import TALKS, Tally, judge, talks
from bench.mishearing import Ears, errors, misheard
from memory.minutes import Minutes
from memory.notes import DECIDED, Change, Due, Item, Owner, to_content
from pipeline.events import Concluded, Event, Learned, Named, Opened, Said
from pipeline.minutes import minutes_of

FILES = sorted(path.stem for path in TALKS.glob("*.yaml"))
GROUPS = {"", "we", "us", "everyone", "everybody", "every volunteer", "my dad", "your dad", "ash's dad"}


@pytest.mark.parametrize("name", [*FILES, "sample"])
def test_every_planted_item_rests_on_lines_of_its_meeting(name: str) -> None:
    for talk in talks(name):
        ids = {u.id for u in talk.utterances}
        assert talk.wanted
        assert all(wanted.evidence and wanted.evidence <= ids for wanted in talk.wanted)
        owners = {one for wanted in talk.wanted for owner in wanted.owner for one in owner.split(" and ")}
        told = {word.strip(",.?!") for u in talk.utterances for word in u.text.split()}  # somebody who is not there
        assert {owner.lower() for owner in owners} <= {n.lower() for n in talk.names.values()} | GROUPS | {
            w.lower() for w in told
        }


def test_the_sets_of_meetings_and_their_sizes() -> None:
    assert FILES == ["blind", "fresh", "held", "known", "messy", "sealed"]
    assert [len(talks(name)) for name in FILES] == [6, 10, 5, 5, 5, 5]


def test_mishearing_is_seeded_and_about_as_frequent_as_asked() -> None:
    (talk,) = talks("sample")
    ears = Ears.of(u.text for u in talk.utterances)
    heard = misheard(talk.utterances, 0.1, ears, 3)
    assert heard == misheard(talk.utterances, 0.1, ears, 3)
    assert heard != misheard(talk.utterances, 0.1, ears, 4)
    wrong, words = errors(talk.utterances, heard)
    assert 0.05 < wrong / words < 0.2
    assert errors(talk.utterances, talk.utterances)[0] == 0
    assert misheard(talk.utterances, 0.0, ears, 3) == list(talk.utterances)


def test_a_lost_utterance_counts_all_its_words() -> None:
    (talk,) = talks("sample")
    first, *rest = talk.utterances
    assert errors(talk.utterances, rest)[0] == len(first.text.split())


def minutes(*items: Item) -> Minutes:
    talk = talks("known")[0]
    events: list[Event] = [Opened("m", "m", "2026-09-14T09:00:00+00:00", "", "", "", "", "", "")]
    events += [*(Named(label, name, "user") for label, name in talk.names.items()), *map(Said, talk.utterances)]
    events += [*(Learned(item.kind, to_content(item), item.evidence) for item in items), Concluded(90.0, 0.0)]
    return minutes_of(events)


def test_what_is_judged() -> None:
    talk = talks("known")[0]
    tells = next(wanted for wanted in talk.wanted if wanted.what.startswith("tell the night"))
    proof = tuple(sorted(tells.evidence))
    (label,) = [label for label, name in talk.names.items() if name in tells.owner]
    change = Change("assigned", proof, tells.what)
    right = Item("a1", "action", tells.what, "open", proof, (change,), owner=Owner("speaker", label))
    other = next(name for name in talk.names if name != label)
    only = replace(talk, wanted=(tells,))

    def judged(*items: Item) -> tuple[int, ...]:
        tally = Tally()
        judge(only, minutes(*items), tally)
        return tally.planted, tally.found, tally.right, tally.wrong_owner, tally.wrong_date, tally.invented

    assert judged(right) == (1, 1, 1, 0, 0, 0)
    assert judged() == (1, 0, 0, 0, 0, 0)
    assert judged(replace(right, owner=Owner("speaker", other))) == (1, 1, 0, 1, 0, 0)
    assert judged(replace(right, owner=Owner())) == (1, 1, 0, 0, 0, 0)
    assert judged(replace(right, due=Due("tomorrow", "2026-09-15"))) == (1, 1, 0, 0, 1, 0)
    assert judged(replace(right, kind="decision", id="d1", status=DECIDED)) == (1, 0, 0, 0, 0, 1)
