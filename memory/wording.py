"""Sentences as the rules read them: plain lower-case words, each with the place in the text that it came from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from audio.speech import Utterance
from memory.sounds import shared

_WORD = re.compile(r"[^\W_]+(?:['’.][^\W_]+)*")
_STRAY = re.compile(r"\s*(?:[,;]\s*)+(?=[.?!])")  # the comma of " ,.", as some recognisers leave it
_CUT_OFF = re.compile(
    r"(?<!\S)(?:the|a|an|my|your|our|to|of|by|for|with|from|and|will|can|could|is|are) ?\.?$", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"(?<=[.?!;])[\"')\]]*\s+")
_CONTRACTIONS = {
    "won't": "will not", "can't": "can not", "cannot": "can not", "shan't": "shall not", "let's": "let us", "gonna": "going to",
    "wanna": "want to", "gotta": "have to", "y'all": "you all", "alright": "all right", "ok": "okay", "lemme": "let me",
    "nope": "no", "yep": "yes", "yeah": "yes", "yup": "yes", "c'mon": "come on", "ain't": "is not", "someone": "somebody",
    "anyone": "anybody", "everyone": "everybody",
}  # fmt: skip
_TAILS = {"'ll": " will", "'re": " are", "'ve": " have", "'m": " am", "n't": " not"}
_IS_AFTER = {"it", "that", "he", "she", "what", "who", "there", "here", "how", "where", "everybody"}
UNSURE = 0.5  # probability below which the recogniser doubts a word
FILLERS = frozenset("uh um erm er hmm mm ah eh oh mhm huh mh".split())
STOP = frozenset(
    "a an the this that these those it its he she they them we us our ours you your yours i me my mine his her their "
    "there here who which what when where how why is are was were be been being am do does did done have has had having "
    "will would shall should can could may might must going to of in on at by for from with without about into over "
    "under up down out off and or but so then than as if not no yes also still just really very too more most much many "
    "some any all both each every other another such only own same again once please okay well right now maybe perhaps "
    "probably let get got go goes make makes take takes give gives want wants need needs like thing things lot bit know "
    "think say said says see one somebody anybody everybody something anything everything people us "
    "because until while during before after between through since yet ever never always of course".split()
)  # fmt: skip


@dataclass(frozen=True)
class Sentence:
    """One sentence of one utterance; `words` are plain, `spans` say where in `text` each of them came from."""

    utterance_id: str
    speaker: str  # label such as "S1"; "" = not known
    start_s: float
    text: str
    words: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]  # character offsets in `text`, one pair a word
    unsure: frozenset[str] = frozenset()  # words that the recogniser itself doubts

    @cached_property
    def plain(self) -> str:
        """The words with single blanks between them: what patterns are matched against."""
        return " ".join(self.words)

    @cached_property
    def _starts(self) -> list[int]:
        starts, at = [], 0
        for word in self.words:
            starts.append(at)
            at += len(word) + 1
        return starts

    def word_at(self, offset: int) -> int:
        """The number of the first word that begins at or after this offset of `plain`."""
        return sum(1 for start in self._starts if start < offset)

    def original(self, first: int, last: int) -> str:
        """The text from word `first` up to, not with, word `last`, as it was written."""
        if first >= last:
            return ""
        return self.text[self.spans[first][0] : self.spans[last - 1][1]]

    def part(self, first: int, last: int) -> Sentence:
        """Its words from `first` up to, not with, `last`; the text stays whole."""
        return replace(self, words=self.words[first:last], spans=self.spans[first:last])

    def gap(self, word: int) -> str:
        """What stands between this word and the one before it: blanks, commas, dashes."""
        return self.text[self.spans[word - 1][1] : self.spans[word][0]] if 0 < word < len(self.words) else ""

    @cached_property
    def asks(self) -> bool:
        """Ends in a question mark, which not every recogniser writes."""
        return self.text.rstrip(" .,\"')").endswith("?")


def sentences(utterance: Utterance) -> list[Sentence]:
    """The sentences of an utterance that hold a word."""
    made = (_sentence(utterance, piece) for piece in _pieces(utterance.text))
    return [sentence for sentence in made if sentence.words]


def lean(utterance: Utterance) -> Utterance:
    """What sentences are made of, and no more: a meeting's words with their times are megabytes an hour."""
    return replace(utterance, words=tuple(w for w in utterance.words if w.probability < UNSURE), tokens=())


def _pieces(text: str) -> list[str]:
    """The text at its full stops, where one does not cut a sentence that plainly goes on: "by the. Twentieth", or
    "And I ,. will order", where sentences begin with capitals."""
    pieces: list[str] = []
    for piece in _SENTENCE_END.split(_STRAY.sub("", text.strip())):
        runs_on = piece[:1].islower() and pieces and pieces[-1][:1].isupper() and pieces[-1][-1:] == "."
        if pieces and (runs_on or _CUT_OFF.search(pieces[-1])):
            pieces[-1] = f"{pieces[-1].rstrip(' .')} {piece[:1].lower() + piece[1:]}"
        elif piece.strip():
            pieces.append(piece.strip())
    return pieces


def read(text: str) -> Sentence:
    """A sentence that nobody said: for texts that are compared with speech."""
    words, spans = _words(text)
    return Sentence("", "", 0.0, text, words, spans)


def _sentence(utterance: Utterance, text: str) -> Sentence:
    words, spans = _words(text)
    doubted = [word.text for word in utterance.words if word.probability < UNSURE]
    unsure = frozenset(_words(" ".join(doubted))[0]) if doubted else frozenset()
    return Sentence(utterance.id, utterance.speaker, utterance.start_s, text, words, spans, unsure)


@lru_cache(maxsize=20_000)  # every stage reads the same sentences; two long meetings of them
def _words(text: str) -> tuple[tuple[str, ...], tuple[tuple[int, int], ...]]:
    words: list[str] = []
    spans: list[tuple[int, int]] = []
    for found in _WORD.finditer(text):
        for word in _spelled_out(found[0].lower().replace("’", "'"), words):
            if word in FILLERS or (words and word == words[-1] and word not in ("that", "had")):
                continue  # "I I will": a stammer
            words.append(word)
            spans.append(found.span())
            if len(words) > 3 and words[-2:] == words[-4:-2]:  # "I will I will"
                del words[-2:], spans[-4:-2]
    return tuple(words), tuple(spans)


def _spelled_out(word: str, before: list[str]) -> list[str]:
    if word in _CONTRACTIONS:
        return _CONTRACTIONS[word].split()
    for tail, full in _TAILS.items():
        if word.endswith(tail) and len(word) > len(tail):
            return (word.removesuffix(tail) + full).split()
    if word.endswith("'d"):
        return [word[:-2], "would"]
    if word.endswith("'s"):
        stem = word[:-2]
        return [stem, "is"] if stem in _IS_AFTER else [stem]
    if "." in word and not any(c.isdigit() for c in word):
        return [word.replace(".", "")]
    return [word]


_IRREGULAR = {
    "sent": "send", "wrote": "write", "written": "write", "bought": "buy", "made": "make", "found": "find", "ran": "run",
    "spoke": "speak", "spoken": "speak", "told": "tell", "built": "build", "did": "do", "done": "do", "got": "get", "paid": "pay",
    "drew": "draw", "drawn": "draw", "took": "take", "taken": "take", "gave": "give", "given": "give", "held": "hold", "met": "meet",
    "chose": "choose", "chosen": "choose", "brought": "bring", "rang": "ring", "sold": "sell", "left": "leave", "kept": "keep",
}  # fmt: skip


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """A word without its English endings, crude and the same for singular and plural, order and ordering."""
    word = _IRREGULAR.get(word, word)
    for ending in ("ations", "ation", "ings", "ing", "ies", "ied", "ers", "er", "ed", "es", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            break
    return word[:-1] if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiou" else word


def content(words: Iterable[str]) -> frozenset[str]:
    """The stems of the words that carry meaning."""
    return frozenset(stem(word) for word in words if word not in STOP and len(word) > 1)


@lru_cache(maxsize=20_000)
def content_of(text: str) -> frozenset[str]:
    """The stems of the words of a text that carry meaning."""
    return content(read(text).words)


def likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """How much of the smaller set the larger one holds, 0 to 1; two sets that share one of many words are unlike."""
    both = shared(one, other)
    if not both:
        return 0.0
    return both / (0.6 * min(len(one), len(other)) + 0.4 * max(len(one), len(other)))


def tidy(text: str) -> str:
    """One line without the marks that a cut leaves at its ends."""
    return " ".join(text.split()).strip(" ,.;:?!-–\"'")


def words_of(utterances: Iterable[Utterance]) -> Iterator[str]:
    """All plain words of some utterances."""
    for utterance in utterances:
        yield from _words(utterance.text)[0]
