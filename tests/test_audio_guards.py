"""Nothing that nobody said is shown, and nothing that somebody said is lost."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.engines import RecognitionOptions, RecognizedSegment
from audio.guards import GUARDS, Judged, collapse, judge
from audio.speech import SAMPLE_RATE, Scores, SpeechSegment, Word
from tests.shared_data import SHARED, needs_shared

OPTIONS = RecognitionOptions()
SURE = Scores(avg_logprob=-0.2, no_speech_prob=0.01, compression_ratio=1.2, temperature=0.0)
UNSURE = replace(SURE, avg_logprob=-0.8)
LOOPED = replace(SURE, compression_ratio=5.0)
SILENT = replace(SURE, avg_logprob=-1.2, no_speech_prob=0.9)


def said(text: str, scores: Scores = SURE, words: tuple[Word, ...] = ()) -> RecognizedSegment:
    return RecognizedSegment(text, 0.0, 4.0, (1, 2, 3), scores, words)


def heard(seconds: float = 4.0, speech_share: float = 0.9) -> SpeechSegment:
    return SpeechSegment(np.zeros(round(seconds * SAMPLE_RATE), np.float32), start=0, speech_share=speech_share)


@pytest.mark.parametrize(
    ("segment", "sound", "reason"),
    [
        (said(" ♪♪ ..."), heard(), "no words"),
        (said(" I am here", SILENT), heard(), "no speech"),
        (said(" I am here", UNSURE), heard(speech_share=0.1), "hardly any speech"),
        (said(" I am here", replace(SURE, temperature=0.8)), heard(speech_share=0.1), "hardly any speech"),
        (said(" I am here", replace(SURE, no_speech_prob=0.35)), heard(speech_share=0.1), "hardly any speech"),
        (said(" Thank you for watching.", replace(SURE, no_speech_prob=0.35)), heard(), "phantom phrase"),
        (said(" Or are or", replace(SURE, avg_logprob=-1.6, temperature=0.4)), heard(), "disbelieved"),
        (said(" Thank you so much for watching!", UNSURE), heard(), "phantom phrase"),
        (said(" Thanks for watching."), heard(speech_share=0.4), "phantom phrase"),
        (said(" Subtitles by the Amara.org community", UNSURE), heard(), "phantom phrase"),
        (said(" ご視聴ありがとうございました。", UNSURE), heard(), "phantom phrase"),
        (said(" please like and subscribe to my channel"), heard(0.2), "too fast"),
        (said(" a b, b a, a a b, b b a," * 4 + " a b" * 7, LOOPED), heard(30), "repetitive"),
    ],
)
def test_what_nobody_said_is_suppressed_with_the_reason(
    segment: RecognizedSegment, sound: SpeechSegment, reason: str
) -> None:
    judged = judge(segment, sound, OPTIONS)
    assert judged.suppressed == reason
    assert judged.segment.tokens == segment.tokens  # what the model wrote stays known


@pytest.mark.parametrize(
    ("segment", "sound"),
    [
        (said(" Thank you for watching."), heard()),  # said in earnest: neither detector nor model doubts
        (said(" Thank you.", UNSURE), heard()),  # no phrase of films alone
        (said(" I will send subtitles by Monday", UNSURE), heard()),
        (said(" Yes.", UNSURE), heard(0.4)),
        (said(" Yes."), heard(speech_share=0.1)),  # little speech, but the model is sure
        (said(" Yes.", replace(SURE, no_speech_prob=0.25)), heard(speech_share=0.1)),
        (said(" mumbled", replace(SURE, avg_logprob=-1.4)), heard()),  # a bad score alone
        (said(" hm", replace(SURE, no_speech_prob=0.95)), heard()),  # whisper's rule needs both
        (said(" No, no, no, no, no, no, no, no!"), heard()),
        (said(" hahahaha"), heard()),
        (said(" It is 1000000000000 or 1.3333333333333."), heard()),
        (said(" I see ............"), heard()),
        (said(" eight nine ten eleven", replace(SURE, compression_ratio=3.0)), heard()),  # another part of its window
        (said(" the the"), heard(0.05)),
    ],
)
def test_good_speech_passes_untouched(segment: RecognizedSegment, sound: SpeechSegment) -> None:
    assert judge(segment, sound, OPTIONS) == Judged(segment)


@pytest.mark.parametrize(
    ("looped", "mended"),
    [
        (" So we go" + " on and on" * 6, " So we go on and on"),
        (" we will see. We will see." * 5, " we will see."),
        (" no" * 30 + " way", " no way"),
        (" I know that" * 7 + " I know", " I know that"),  # the budget cut the last pass
        (" w" + "o" * 40 + "w", " wow"),
        (" 谢谢大家的观看" + "请订阅我的频道" * 8, " 谢谢大家的观看请订阅我的频道"),
    ],
)
def test_a_loop_is_cut_to_its_first_pass_and_flagged(looped: str, mended: str) -> None:
    judged = judge(said(looped), heard(30), OPTIONS)
    assert (judged.segment.text, judged.flags, judged.suppressed) == (mended, ("repetition collapsed",), "")


def test_a_mended_text_keeps_the_timed_words_that_it_still_has() -> None:
    text = " that is it" + " all right then" * 6
    words = tuple(Word(f" {word}", i, i + 0.5, 0.9) for i, word in enumerate(text.split()))
    judged = judge(said(text, words=words), heard(30), OPTIONS)
    assert "".join(word.text for word in judged.segment.words) == judged.segment.text
    assert [word.start_s for word in judged.segment.words] == [0, 1, 2, 3, 4, 5]


@given(st.lists(st.sampled_from("abc"), max_size=60))
def test_collapsing_keeps_order_and_leaves_no_loop(words: list[str]) -> None:
    kept = collapse(words)
    assert kept == sorted(set(kept))
    rest = [words[i] for i in kept]
    assert collapse(rest) == list(range(len(rest)))
    assert set(rest) == set(words)
    assert all(len(list(run)) <= 8 for _, run in itertools.groupby(rest))


@given(st.text(max_size=80), st.floats(-3, 0), st.floats(0, 1), st.floats(0, 9), st.floats(0, 1))
def test_every_guard_takes_any_text(text: str, logprob: float, silence: float, ratio: float, share: float) -> None:
    segment = said(text, Scores(logprob, silence, ratio, 0.0))
    for guard in GUARDS:
        judged = guard(Judged(segment), heard(1, share), OPTIONS)
        assert judged.suppressed or judged.flags or judged.segment == segment


@needs_shared
def test_real_meetings_pass_even_where_the_model_is_unsure() -> None:
    """What people really said, in the time they took: the speed limit and the loops must leave (nearly) all of it."""
    files = sorted((SHARED / "ami" / "dev").glob("*.json"))
    utterances = [u for file in files for u in json.loads(file.read_text(encoding="utf-8"))["utterances"]]
    spoken = [u for u in utterances if any(letter.isalnum() for letter in u["text"])]
    assert len(spoken) > 5000
    hurt = [
        utterance["text"]
        for utterance in spoken
        if judge(said(utterance["text"], UNSURE), heard(utterance["end"] - utterance["start"]), OPTIONS)
        != Judged(said(utterance["text"], UNSURE))
    ]
    assert len(hurt) <= len(spoken) / 5000, hurt
