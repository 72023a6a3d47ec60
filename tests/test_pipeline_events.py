"""Every event survives its line, and what is no line is refused without being quoted."""

import json
from dataclasses import is_dataclass
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.speech import Scores, Utterance
from pipeline.events import Event, Learned, PipelineError, Reached, Said, Trouble, from_line, to_line

FILE_NAMES = st.binary(max_size=8).map(lambda name: name.decode("utf-8", "surrogateescape"))  # as Unix has them
TEXTS = st.text(max_size=20) | FILE_NAMES
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
SCALARS = {str: TEXTS, float: FLOATS, int: st.integers(), bool: st.booleans()}


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value that the type annotation allows."""
    if isinstance(kind, type) and is_dataclass(kind):
        return st.builds(kind, **{name: values(hint) for name, hint in get_type_hints(kind).items()})
    if get_origin(kind) is tuple:
        return st.lists(values(get_args(kind)[0]), max_size=3).map(tuple)
    if get_origin(kind) is UnionType:
        return st.none() | values(get_args(kind)[0])
    return st.dictionaries(TEXTS, JSON, max_size=3) if get_origin(kind) is dict else SCALARS[kind]


@pytest.mark.parametrize("kind", get_args(Event))
@settings(deadline=None)
@given(data=st.data())
def test_every_event_comes_back_from_its_line(kind: type[Any], data: st.DataObject) -> None:
    event = data.draw(values(kind))
    line = to_line(event)
    assert from_line(line) == event
    assert b"\n" not in line.encode()  # also proves that it can be encoded
    assert json.loads(line)["event"] == kind.__name__.lower()


SAID = Said(Utterance("u1", " the canary sings", 0.5, 2.0, "en", Scores(-0.2, 0.01, 1.1, 0.0), tokens=(1, 2)))


@settings(deadline=None)
@given(at=st.integers(0, len(to_line(SAID)) - 1), put=st.text(max_size=3))
def test_a_damaged_line_is_an_event_or_a_clear_error(at: int, put: str) -> None:
    line = to_line(SAID)
    refusal = ""
    try:
        from_line(line[:at] + put + line[at + 1 :])
    except PipelineError as error:
        refusal = str(error)
    assert "canary" not in refusal


@pytest.mark.parametrize(
    "line",
    [
        "",
        "null",
        "7",
        "[]",
        "{}",
        '{"event":[]}',
        '{"event":"opened"}',
        '{"event":"unheard"}',
        '{"event":"said","utterance":[]}',
        '{"event":"reached","source":"","sample":"5"}',
        '{"event":"reached","source":"","sample":true}',
        '{"event":"reached","source":"","sample":5.5}',
        '{"event":"trouble","message":"","at_s":"soon"}',
        '{"event":"learned","kind":"topic","content":{},"evidence":"u1"}',
        "[" * 100_000,
        "9" * 5_000,
    ],
)
def test_no_line_of_ours_is_refused(line: str) -> None:
    with pytest.raises(PipelineError):
        from_line(line)


def test_a_line_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert from_line('{"event":"reached","source":"left","sample":5,"since":"later"}') == Reached("left", 5)
    assert from_line('{"event":"trouble","message":"x"}') == Trouble("x")


def test_evidence_inside_learned_content_becomes_plain_json() -> None:
    line = to_line(Learned("action", {"said": SAID.utterance, "spans": (1, 2)}, ("u1",)))
    content = json.loads(line)["content"]
    assert content["said"]["text"] == SAID.utterance.text
    assert content["spans"] == [1, 2]
