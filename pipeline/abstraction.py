"""The summary rewritten by a language model behind any OpenAI-compatible endpoint; off unless the settings name one.

What was said leaves this machine for that endpoint only. Whatever it answers, the minutes keep every line that they had
where no checked sentence takes its place.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from audio.speech import Utterance
from memory.minutes import Line, Minutes
from memory.rewriting import (
    ANSWER_SCHEMA,
    MalformedError,
    Rewritten,
    doubt,
    messages,
    parts,
    sentences_of,
    tokens,
)
from pipeline.events import Concluded, Event, Hearing, Learned, PipelineError, Trouble
from pipeline.minutes import minutes_of
from pipeline.pressed import Pressed
from pipeline.settings import AbstractionSettings

ANSWER_TOKENS = 1024  # kept free for the answer
MOST_BYTES = 1_000_000  # of an answer
ROLES_TOKENS = 50  # what a server puts around the messages
A_TOPIC, IN_ALL = 3, 12  # sentences
Ask = Callable[[Sequence[dict[str, str]]], str]  # messages -> the answer's text; raises EndpointError, MalformedError


class EndpointError(Exception):
    """The endpoint cannot be reached or refuses; the message says why."""


@dataclass(frozen=True)
class Endpoint:
    """Where the model is asked, one request at a time."""

    url: str
    model: str
    key: str
    timeout_s: float

    def __call__(self, asked: Sequence[dict[str, str]]) -> str:
        """The text of the answer. Servers that know no JSON schema are asked once more without one."""
        body = {"model": self.model, "messages": list(asked), "temperature": 0, "max_tokens": ANSWER_TOKENS}
        schema = {"type": "json_schema", "json_schema": {"name": "summary", "strict": True, "schema": ANSWER_SCHEMA}}
        status, answer = self._post({**body, "response_format": schema})
        if status in (400, 422):
            status, answer = self._post(body)
        if status != 200:
            raise EndpointError(f"it answers with status {status}")
        try:
            choice = json.loads(answer)["choices"][0]
            text = choice["message"]["content"]
        except (ValueError, KeyError, IndexError, TypeError, RecursionError):
            raise MalformedError("it is no chat completion") from None
        if choice.get("finish_reason") == "length":
            raise MalformedError("it was cut off")
        if not isinstance(text, str):
            raise MalformedError("it holds no text")
        return text

    def _post(self, body: dict[str, object]) -> tuple[int, bytes]:
        """Status and body. No redirect is followed: what was said goes where the settings say and nowhere else."""
        address = urlsplit(self.url)
        kinds = {"https": http.client.HTTPSConnection, "http": http.client.HTTPConnection}
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {self.key}"} if self.key else {})}
        until = time.monotonic() + self.timeout_s
        connection = kinds[address.scheme](address.hostname or "", address.port, timeout=self.timeout_s)
        try:
            path = f"{address.path.rstrip('/')}/chat/completions"
            connection.request("POST", path, json.dumps(body).encode("utf-8", "replace"), headers)
            answer = connection.getresponse()
            found = bytearray()
            while chunk := answer.read1(65536):
                found += chunk
                if len(found) > MOST_BYTES:
                    raise EndpointError("it answers without end")
                if time.monotonic() > until:
                    raise EndpointError(f"it takes longer than {self.timeout_s:.0f} s")
            return answer.status, bytes(found)
        except TimeoutError:
            raise EndpointError(f"it takes longer than {self.timeout_s:.0f} s") from None
        except (OSError, http.client.HTTPException, ValueError) as error:  # the last: letters that HTTP cannot carry
            raise EndpointError(f"it cannot be reached ({type(error).__name__})") from error
        finally:
            connection.close()


def abstraction(wanted: AbstractionSettings) -> tuple[AbstractionStage, ...]:
    """The stage that the settings ask for, if any. Raises PipelineError where they cannot be followed."""
    if not wanted.url:
        return ()
    try:
        address = urlsplit(wanted.url)
        fits = address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:  # of a port or an IPv6 address
        fits = False
    if not fits:
        raise PipelineError(
            "abstraction.url is no address; give one such as http://localhost:11434/v1, or leave it empty"
        )
    if not wanted.model:
        raise PipelineError("abstraction.model is empty; name a model that the endpoint has")
    key = os.environ.get(wanted.key_variable, "").strip() if wanted.key_variable else ""
    return (AbstractionStage(Endpoint(wanted.url, wanted.model, key, wanted.timeout_s), wanted.context_tokens),)


class AbstractionStage:
    """A stage after the one that notes: before Concluded it adds the summary in other words, as far as these hold."""

    def __init__(self, ask: Ask, context_tokens: int) -> None:
        self._ask, self._context = ask, context_tokens

    def __call__(self, past: Iterable[Event], events: Iterable[Event]) -> Iterator[Event]:
        heard = Pressed()
        for event in past:
            heard.add(event)
        for event in events:
            if isinstance(event, Concluded):
                yield from self.rewrite(minutes_of(heard))
            if not isinstance(event, Hearing):  # of which hours of a live meeting have tens of thousands
                heard.add(event)
            yield event

    def rewrite(self, minutes: Minutes) -> Iterator[Event]:
        """Checked sentences topic by topic, and the lines that stay where there are none."""
        if not minutes.utterances:
            return
        asked = _Asked(self._ask, minutes)
        fence = f"=== record {secrets.token_hex(8)} ==="
        overhead = sum(tokens(m["content"]) for m in messages("", (), fence=fence, most=A_TOPIC))
        budget = self._context - ANSWER_TOKENS - overhead - ROLES_TOKENS
        if budget < 200:
            yield Trouble("the summary was not rewritten: abstraction.context_tokens leaves no room; make it larger")
            return
        written: list[Rewritten] = []
        bare: list[str] = []  # utterances of parts without a sentence
        for title, rows in parts(_topics(minutes), _names(minutes), budget=budget):
            found = asked.about(messages(title, rows, fence=fence, most=A_TOPIC), {row["id"] for row in rows})
            written += found
            bare += [] if found else [row["id"] for row in rows]
        if len(written) > IN_ALL:
            written = self._reduced(written, asked, fence, budget)
        if written:
            yield from (_learned(sentence) for sentence in written)
            yield from (_kept(line) for line in minutes.summary if set(line.evidence) <= set(bare))
        if asked.trouble():
            yield Trouble(asked.trouble())

    def _reduced(self, written: list[Rewritten], asked: _Asked, fence: str, budget: int) -> list[Rewritten]:
        """The sentences of all topics in fewer ones, from the utterances that they quote; all where that fails."""
        ids = dict.fromkeys(id for sentence in written for id, _ in sentence.quotes)
        said = [u for u in asked.minutes.utterances if u.id in ids]
        whole = parts([("the whole meeting", said)], _names(asked.minutes), budget=budget)
        if len(whole) > 1:
            return written
        found = asked.about(messages(*whole[0], fence=fence, most=IN_ALL), set(ids))
        return found or written


class _Asked:
    """What was asked in one meeting, and what went wrong."""

    def __init__(self, ask: Ask, minutes: Minutes) -> None:
        self.minutes, self._ask = minutes, ask
        self._said = {u.id: u for u in minutes.utterances}
        self._dropped = self._malformed = 0
        self._gone = ""

    def about(self, asked: Sequence[dict[str, str]], shown: set[str]) -> list[Rewritten]:
        """The sentences that hold; none once the endpoint does not work. A malformed answer is asked for twice."""
        for _ in range(2):
            if self._gone:
                return []
            try:
                found = sentences_of(self._ask(asked))
            except EndpointError as error:
                self._gone = str(error)
                return []
            except MalformedError:
                continue
            said = {id: u for id, u in self._said.items() if id in shown}
            holds = [s for s in found if not doubt(s, said, _names(self.minutes))]
            self._dropped += len(found) - len(holds)
            return holds
        self._malformed += 1
        return []

    def trouble(self) -> str:
        """What the user must know; "" for nothing."""
        told = []
        if self._gone:
            told.append(f"the model of abstraction.url did not help, {self._gone}")
        if self._malformed:
            told.append(f"{self._malformed} of its answers could not be read")
        if self._dropped:
            told.append(f"{self._dropped} of its sentences were left out, for nobody said what they quote")
        return f"summary: {'; '.join(told)}. What was said stands in their place" if told else ""


def _topics(minutes: Minutes) -> list[tuple[str, list[Utterance]]]:
    """All utterances by topic; those of none under no title."""
    order = {u.id: n for n, u in enumerate(minutes.utterances)}
    titles = [""] * len(minutes.utterances)
    for topic in minutes.topics:
        for first, last in topic.spans:
            for n in range(order.get(first, 0), order.get(last, -1) + 1):
                titles[n] = topic.title
    grouped: dict[str, list[Utterance]] = {}
    for title, utterance in zip(titles, minutes.utterances, strict=True):
        grouped.setdefault(title, []).append(utterance)
    return list(grouped.items())


def _names(minutes: Minutes) -> dict[str, str]:
    return {person.label: person.name for person in minutes.people}


def _learned(sentence: Rewritten) -> Learned:
    ids = tuple(dict.fromkeys(id for id, _ in sentence.quotes))
    return Learned("summary", {"text": sentence.text, "rewritten": True, "quotes": [*map(list, sentence.quotes)]}, ids)


def _kept(line: Line) -> Learned:
    return Learned("summary", {"text": line.text, "kept": True}, line.evidence)
