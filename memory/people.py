"""Who is meant: names, roles and groups in what is said, and which speaker label they belong to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from memory.notes import NOBODY, Owner
from memory.sounds import alike, nearest
from memory.wording import STOP, Sentence

# Given names that are no other word when written small; others count where a speaker has them or the text writes them
# in the middle of a sentence with a capital.
DOUBTFUL = 0.65  # likeness of two names from which a recogniser may have written one for the other
TITLES = frozenset(  # before names; said alone they may be anybody's
    "mr mrs ms miss mister missus dr doctor prof professor father mother sister brother reverend pastor rabbi sir madam uncle "
    "aunt auntie grandpa grandma herr frau señor señora monsieur madame".split()
)
GIVEN = frozenset(
    "aaron adam alan albert alex alexander alice amanda amir amy ana andrea andrew andy angela anita anja anke anna anne "
    "anton antonio barbara ben benjamin bernd beth bob brian bruno carla carlos carmen caroline catherine cathy charles "
    "chloe chris christian christina christine claire clara claudia colin daniel daniela dave david deborah denis diana "
    "diego dieter dirk dominik donald dora doris edward elena elisa elizabeth ella emil emily emma eric erik erika eva "
    "fatima felix fiona florian francesca francois frederic gabriel gabriele georg george gerald gerd hannah hans harald "
    "harry heike helen helena helga henry herbert ian ines ingrid irene isabel ivan jacob jakob james jan jane janet "
    "jason javier jean jenny jessica jim joan joe johan johanna john jonas jonathan jorge jose joseph josh juan judith "
    "julia julian juliane kai karen karin karl kate katharina katherine katie katrin kelly ken kevin kim klaus lars laura "
    "lea lena leo leon linda lisa louis louise luca lucas lucy luis luisa lukas maria marie marina mario marion markus "
    "marta martha martin martina mary mateo matthew matthias max mehmet melanie michael michaela michelle miguel mike "
    "mohammed monika moritz nadia nadine nancy natalie natasha nick nicola nicolas nicole niklas nina nora olaf oliver "
    "olivia oscar pablo paola patricia patrick paul paula pedro peter petra philip philipp pierre priya rachel raj ralf "
    "rebecca renate richard rita robert roberto robin roger roland ruth ryan sabine sam samantha samuel sandra sarah "
    "sebastian silvia simon simone sofia sonja sophie stefan stefanie stephan stephanie stephen steve steven susan "
    "susanne sven sylvia tanja tanya teresa theo thomas tim tina tobias tom tony ulrich ursula uwe valentina vanessa vera "
    "victor victoria vincent walter werner william wolfgang yasmin yuki yvonne".split()
)
_NOT_NAMES = frozenset(
    "i so and but then okay yes no well the a an we you he she it they this that there what who when where why how "
    "monday tuesday wednesday thursday friday saturday sunday january february march april may june july august "
    "september october november december today tomorrow first second third next also now good great thank thanks sorry "
    "right sure all if in on at for let maybe please can could would will do did is are was were hello hi hey anyway "
    "actually because my your our their his her its not just one two three section page tv lcd english german french "
    "spanish europe google microsoft powerpoint excel internet christmas easter somebody everybody nobody perfect fine "
    "agreed exactly absolutely mister mrs mr um uh oh as or to of with from by once after before while since".split()
)
ROLE = (
    r"(?:the |our |your )?(?:(?:project|product|user interface|interface|industrial|marketing|sales|general|office|account|"
    r"test|quality|software|hardware|lead|senior|finance|technical) )*"
    r"(?:designers?|managers?|manager|experts?|engineers?|developers?|directors?|executives?|specialists?|testers?|accountants?|"
    r"secretary|lawyers?|architects?|administrators?|assistants?|intern|chairman|chairwoman|chair|treasurer|leader)"
)
TEAM = (
    r"(?:(?:the |our |your )?(?:(?:whole|entire|marketing|design|sales|support|test|finance|legal|development|qa|it|hr|operations|"
    r"engineering|product|project|hardware|software) )+(?:team|department|group|people|guys)|marketing|the team|the group)"
)
EVERYBODY = (
    r"(?:everybody(?: here| else)?|all of (?:us|you)|you all|we all|each of (?:us|you)|both of (?:us|you)|you (?:two|three|both|guys)|"
    r"the (?:two|three|four) of (?:us|you)|we (?:two|both)|all participants|all the participants|each team member)"
)


@dataclass(frozen=True)
class People:
    """The speakers, as far as they are known."""

    names: Mapping[str, str] = field(default_factory=dict)  # speaker label -> name
    roles: Mapping[str, str] = field(default_factory=dict)  # speaker label -> role in plain words, "project manager"
    others: tuple[str, ...] = ()  # who is known and not here: names from the meetings before in the series

    @cached_property
    def by_word(self) -> dict[str, str]:
        """Each word of a name that only one speaker has, in lower case, to the label; "" where two have it."""
        found: dict[str, str] = {}
        for label, name in self.names.items():
            words = re.findall(r"[^\W\d_]+", name.lower())
            for word in [word for word in words if word not in TITLES] or words:
                found[word] = "" if word in found and found[word] != label else label
        return found

    @cached_property
    def _elsewhere(self) -> dict[str, str]:
        """First names of the others, in lower case, to the names as they are written."""
        return {name.split()[0].lower(): name for name in self.others if name.split()}

    def meant(self, word: str) -> str:
        """The known first name, in lower case, that this word is, misheard or not; "" where it is none, or may be two.

        A given name is itself: "Marina" is not Maria, though she may have been meant.
        """
        if word in self.by_word or word in self._elsewhere:
            return word
        if word in GIVEN or word in _NOT_NAMES or word in STOP:
            return ""
        return nearest(word, (*self.by_word, *self._elsewhere))

    def is_name(self, sentence: Sentence, word: int) -> bool:
        """Whether this word of the sentence names a person."""
        plain = sentence.words[word]
        if plain in self.by_word or plain in GIVEN:
            return True
        first, last = sentence.spans[word]
        written = sentence.text[first:last]
        if plain in self._elsewhere or (written[:1].isupper() and self.meant(plain)):
            return True
        capital = written[:1].isupper() and written[1:].islower() and len(written) > 2
        return capital and word > 0 and plain not in _NOT_NAMES and _after_a_comma_or_for(sentence, word)

    def known(self, owner: Owner) -> Owner:
        """The same one as a speaker, where a named person is one."""
        first = owner.name.lower().split()[0] if owner.kind == "person" and owner.name else ""
        label = self.by_word.get(self.meant(first), "") if first else ""
        return Owner("speaker", label) if label else owner

    def owner(self, words: str) -> Owner:
        """Whom some plain words name: a speaker where the name or role is one speaker's, else the words themselves."""
        words = words.strip()
        if not words:
            return NOBODY
        if re.fullmatch(EVERYBODY, words) or re.fullmatch(TEAM, words):
            return Owner("group", words)
        meant = self.meant(words.split()[0])
        if label := self.by_word.get(meant, ""):
            return Owner("speaker", label)
        if meant in self._elsewhere:
            return Owner("person", self._elsewhere[meant])
        role = re.sub(r"^(?:the|our|your) ", "", words)
        holders = [who for who, theirs in self.roles.items() if theirs == role]
        if len(holders) == 1:
            return Owner("speaker", holders[0])
        if re.fullmatch(ROLE, words):
            return Owner("person", role) if not role.endswith("s") else Owner("group", role)
        if self._doubtful(words.split()[0]):
            return NOBODY
        return Owner("person", words.title())

    def _doubtful(self, word: str) -> bool:
        """Whether a name may be a speaker's misheard, and may be another's: "Tim" where Kim is in the room."""
        return len(self.names) > 1 and any(alike(word, name) >= DOUBTFUL for name in self.by_word)


def _after_a_comma_or_for(sentence: Sentence, word: int) -> bool:
    """A capital alone is no name: "the LCD", "Bluetooth". It is one where somebody is spoken to or of."""
    addressed = "," in sentence.gap(word) and (word + 1 == len(sentence.words) or "," in sentence.gap(word + 1))
    return addressed or sentence.words[word - 1] in ("thanks", "ask", "hi", "hello")


def vocative(sentence: Sentence, people: People) -> str:
    """The name by which the sentence speaks to somebody: at its start, after "okay", "so" or "thanks", or at its end."""
    words = sentence.words
    lead = 0
    while lead < min(3, len(words)) and words[lead] in _OPENERS:
        lead += 1
    for at in (lead, 0):
        if at < len(words) - 1 and people.is_name(sentence, at):
            to_him = "," in sentence.gap(at + 1) or words[at + 2 : at + 3] == ("you",)
            if to_him or words[at + 1] not in _SPOKEN_OF:
                return words[at]
    if len(words) > 1 and people.is_name(sentence, len(words) - 1) and words[-2] not in _BEFORE_OBJECT:
        return words[-1]
    for at in range(1, len(words) - 1):
        apart = "," in sentence.gap(at) and "," in sentence.gap(at + 1)
        if apart and people.is_name(sentence, at):
            return words[at]
    return ""


_OPENERS = frozenset(
    "so and okay well then now yes no right good great hi hello hey thanks sorry but please all maybe thank you perhaps".split()
)
_SPOKEN_OF = frozenset(
    "will is has should was can would could said says and needs must does did had takes or wants".split()
)
_BEFORE_OBJECT = frozenset(
    "to with from for by ask tell and of about call the or than like inform invite between after before as on help".split()
)


class Addressed:
    """Finds the speakers' names by who is spoken to and answers; names come after two signs that nothing contradicts.

    "Maria, can you ...?" names the next speaker, "Thank you, Maria" the one before.
    """

    def __init__(self) -> None:
        self._votes: Counter[tuple[str, str]] = Counter()
        self._waiting: tuple[str, str] | None = None  # name, who said it
        self._before = ""

    def hear(self, sentence: Sentence, people: People) -> None:
        """Take one more sentence into account."""
        speaker = sentence.speaker
        if not speaker:
            return
        if self._waiting and speaker != self._waiting[1]:
            self._votes[speaker, self._waiting[0]] += 1
            self._waiting = None
        name = vocative(sentence, people)
        if name:
            self._votes[speaker, name] -= 3  # hardly anybody speaks to himself
            back = re.search(
                rf"\b(?:thank you|thanks|sorry|good morning|good point|no problem|understand you|finish) {name}\b",
                sentence.plain,
            )
            if back and self._before != speaker and self._before:
                self._votes[self._before, name] += 1
            elif (
                re.search(r"\b(?:can|could|would|will|do|did|have|are|what|how|when|who|your?)\b", sentence.plain)
                and not back
            ):
                self._waiting = name, speaker
        self._before = speaker

    def names(self) -> dict[str, tuple[str, float]]:
        """Speaker label -> name and confidence; one name for one speaker."""
        found: dict[str, tuple[str, float]] = {}
        for (label, name), votes in self._votes.items():
            rivals = [v for (other, theirs), v in self._votes.items() if (other == label) != (theirs == name)]
            if votes >= 2 and votes > 2 * max([0, *rivals]):
                found[label] = name.title(), round(min(0.9, 0.5 + 0.1 * votes), 2)
        return found
