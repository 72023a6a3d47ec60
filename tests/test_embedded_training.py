"""Training of the embedded recogniser: a course saved and loaded goes on, and what is released is its mean."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import whisper
from whisper.tokenizer import get_tokenizer

from audio.embedded.network import averaged
from audio.embedded.release import release
from audio.embedded.texts import stutters
from audio.embedded.train import AVERAGED, Course, Plan, begin
from audio.embedded.windows import STAMPS, Vocabulary

ROWS = "decoder.token_embedding.weight"
TEXTS = ("Good morning everybody.", "The case is made of rubber.")


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.of(TEXTS, (), get_tokenizer(multilingual=False))


def steps(course: Course, count: int) -> None:
    """As many steps whose gradient is the weight itself."""
    pair = torch.nn.ModuleList([course.model, course.heads])
    for _ in range(count):
        for parameter in pair.parameters():
            parameter.grad = parameter.detach().clone()
        course.optimizer.step()
        course.mean.update_parameters(pair)
        course.step += 1


def test_a_course_goes_on_where_it_was_saved(vocabulary: Vocabulary, tmp_path: Path) -> None:
    plan = Plan(peak_rate=1e-2)
    whole = begin(plan, vocabulary, None)
    steps(whole, 2)
    whole.save(tmp_path / "checkpoint.pt", vocabulary)
    resumed = begin(plan, vocabulary, None)
    resumed.load(tmp_path / "checkpoint.pt")
    steps(whole, 2)
    steps(resumed, 2)
    assert resumed.step == 4
    for mine, its in zip(resumed.mean.parameters(), whole.mean.parameters(), strict=True):
        torch.testing.assert_close(mine, its)


def test_the_mean_of_the_course_is_released(vocabulary: Vocabulary, tmp_path: Path) -> None:
    course = begin(Plan(peak_rate=1e-2), vocabulary, None)
    name = "encoder.ln_post.weight"
    steps(course, 1)
    first = course.model.state_dict()[name].clone()
    steps(course, 1)
    second = course.model.state_dict()[name]
    course.save(tmp_path / "checkpoint.pt", vocabulary)
    release(tmp_path / "checkpoint.pt", tmp_path / "model.pt")
    model = whisper.load_model(str(tmp_path / "model.pt"), device="cpu")
    wanted = (AVERAGED * first + (1 - AVERAGED) * second).half().float()
    torch.testing.assert_close(model.state_dict()[name], wanted)
    assert not torch.equal(wanted, second.half().float())


def test_released_timestamps_come_from_the_mean_map(vocabulary: Vocabulary, tmp_path: Path) -> None:
    course = begin(Plan(peak_rate=1e-2), vocabulary, None)
    steps(course, 2)
    course.save(tmp_path / "checkpoint.pt", vocabulary)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    rows = averaged(state)[0][ROWS][-STAMPS - 1 : -1]
    torch.testing.assert_close(rows, course.heads.times @ state["mean"]["module.1.stamps.weight"].T)
    assert not torch.allclose(rows, state["mean"][f"module.0.{ROWS}"][-STAMPS - 1 : -1])


@pytest.mark.parametrize("text", ["in the in the words file", "We could we could do that", "no no"])
def test_who_says_it_twice_stutters(text: str) -> None:
    assert stutters(text)


@pytest.mark.parametrize("text", ["in the words in the file", "We could do what we could", "no"])
def test_words_that_come_again_later_are_no_stutter(text: str) -> None:
    assert not stutters(text)
