"""A transcript shows what counts in the end: corrected, in order, without what was suppressed."""

from hypothesis import given, settings
from hypothesis import strategies as st

from audio.speech import Scores, Utterance, Word
from pipeline.events import Concluded, Corrected, Event, Opened, Reached, Said, Trouble
from pipeline.transcript import Transcript

SCORES = Scores(-0.2, 0.01, 1.1, 0.0)
OPENED = Opened("folder", "Title", "2026-11-23T10:00:00+01:00", "talk.wav", "aa", "bb", "engine", "model", "0.1.0")


def said(number: int, text: str, *, start_s: float | None = None, suppressed: str = "", language: str = "en") -> Said:
    start_s = float(number) if start_s is None else start_s
    words = (Word(text, start_s, start_s + 1, 0.9),)
    return Said(
        Utterance(f"u{number}", text, start_s, start_s + 1, language, SCORES, words, (7,), suppressed=suppressed)
    )


def test_it_takes_its_head_from_opened_and_its_length_from_concluded() -> None:
    transcript = Transcript.of([OPENED, said(1, "one"), Reached("", 48_000), Concluded(61.5, 1.0)])
    assert (transcript.meeting, transcript.title, transcript.source) == ("folder", "Title", "talk.wav")
    assert (transcript.duration_s, transcript.language) == (61.5, "en")


def test_before_it_is_concluded_it_is_as_long_as_what_was_heard_and_speaks_as_most_do() -> None:
    heard: list[Event] = [
        said(1, "eins", language="de"),
        said(2, "two"),
        said(3, "drei", language="de"),
        Reached("", 160_000),
    ]
    assert (Transcript.of(heard).duration_s, Transcript.of(heard).language) == (10.0, "de")


def test_the_last_correction_counts_and_takes_the_old_words_with_it() -> None:
    fixes = [Corrected("u1", "text", "once", "user"), Corrected("u1", "text", "one", "user")]
    (utterance,) = Transcript.of([OPENED, said(1, "won"), *fixes, Corrected("u1", "speaker", "Ann", "user")]).utterances
    assert (utterance.text, utterance.words, utterance.tokens) == ("one", (), ())


def test_a_correction_holds_when_its_utterance_is_made_again() -> None:
    events: list[Event] = [said(1, "won"), Corrected("u1", "text", "one", "user"), said(1, "won")]
    assert [u.text for u in Transcript.of(events).utterances] == ["one"]


def test_an_utterance_corrected_to_nothing_is_not_shown() -> None:
    transcript = Transcript.of([said(1, "hm"), Corrected("u1", "text", " ", "user")])
    assert transcript.utterances == ()
    assert [u.suppressed for u in transcript.suppressed] == ["emptied by user"]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.floats(0, 99), st.sampled_from(["", "no speech"]))))
def test_every_utterance_is_either_shown_or_suppressed_and_both_are_in_order(
    made: list[tuple[int, float, str]],
) -> None:
    events: list[Event] = [said(n, "x", start_s=start_s, suppressed=why) for n, start_s, why in made]
    transcript = Transcript.of([OPENED, *events, Trouble("a loss")])
    both = transcript.utterances + transcript.suppressed
    last = {f"u{n}": start_s for n, start_s, _ in made}
    assert {u.id: u.start_s for u in both} == last
    assert len(both) == len(last)
    for part in (transcript.utterances, transcript.suppressed):
        assert [u.start_s for u in part] == sorted(u.start_s for u in part)
    assert not any(u.suppressed for u in transcript.utterances)
