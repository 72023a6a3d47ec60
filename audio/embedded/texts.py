"""What the embedded recogniser is taught to hear: meeting sentences over a closed vocabulary.

Three kinds are mixed: sentences from our own templates (names, tasks, dates), utterances of the
AMI train meetings whose every word is in the vocabulary, and random word strings, which keep the
decoder from guessing rare words by context alone.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

NAMES = (
    "Anna Ben Carla David Emma Frank Grace Henry Julia Kevin Laura Maria Martin Nina Oscar "
    "Paul Peter Rachel Sofia Thomas"
).split()
DAYS = "Monday Tuesday Wednesday Thursday Friday".split()
MONTHS = "January February March April May June July August September October November December".split()
ORDINALS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth "
    "thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth "
    "twenty-first twenty-second twenty-third twenty-fourth twenty-fifth twenty-sixth "
    "twenty-seventh twenty-eighth twenty-ninth thirtieth"
).split()
NUMBERS = (
    "two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty sixty eighty ninety"
).split()

# One slot name, its fillers separated by bars. Fillers may hold further slots.
_SLOTS = {
    "task": "write the {doc}|send the {doc} to {who}|send me the {doc}|check the {doc}|update the {doc}|"
    "finish the {doc}|prepare the {doc}|review the {doc}|share the {doc} with {group}|"
    "call {org}|talk to {org}|ask {org} for {ask}|book the {place}|order {stuff}|test the {part}|"
    "fix the {part}|repeat the {part} test|run the {test}|compare the {part} with the {part}|"
    "collect the {result}|invite {org}|plan the {event}|organise the {event}|measure the {quality}|"
    "add the {result} to the {doc}|write to {org} about the {issue}|find a new {role}|"
    "draw a new {part}|design the {part}|build the {part}|clean up the {doc}|publish the {doc}|"
    "present the {result} to {group}|translate the {doc}|print the {doc}|sign the {doc}",
    "doing": "writing the {doc}|checking the {doc}|updating the {doc}|testing the {part}|fixing the {part}|"
    "working on the {part}|working on the {doc}|waiting for the {result}|looking at the {result}|"
    "planning the {event}|talking to {org}|measuring the {quality}|building the {part}",
    "doc": "report|budget|test plan|survey|contract|invoice|schedule|agenda|minutes|presentation|"
    "press release|user guide|manual|proposal|summary|price list|project plan|safety report|"
    "test report|survey report|website|newsletter|risk list|design document|handbook|list of questions|"
    "budget sheet|slides|offer|checklist",
    "part": "battery|prototype|display|charger|keyboard|cover|screen|remote control|button|sensor|motor|"
    "cable|case|software|interface|database|server|update|login page|home page|search function|"
    "menu|speaker|microphone|camera|new version|power supply|circuit board|packaging|logo|app",
    "test": "battery test|field test|user test|safety test|load test|drop test|pilot|customer survey|"
    "interviews|second test|long test|water test",
    "result": "results|numbers|figures|answers|comments|feedback|sales figures|test results|measurements|"
    "requirements|prices|photos|samples|addresses|costs|complaints",
    "quality": "battery life|weight|temperature|noise|charging time|response time|quality|price|size|"
    "production cost|energy use|market share",
    "issue": "delay|problem|price|delivery|schedule|budget|contract|new design|battery problem|missing parts|"
    "broken cable|late delivery|payment|quality|opening date|training",
    "event": "launch|launch event|workshop|training|kick-off meeting|demo|interviews|next meeting|team lunch|"
    "trade fair|customer visit|open day|release",
    "org": "the supplier|the customer|the factory|the printer|the agency|the hotel|the lawyer|the bank|"
    "the marketing team|the design team|the support team|the sales team|the test lab|"
    "our partner|the finance department|the shop|the university|the museum|the city",
    "who": "{name}|everybody|the whole team|{org}|the board|all of us|the management",
    "group": "the team|the board|the customers|the management|the others|everyone|the partners|the users",
    "ask": "a new price|a better offer|more time|an answer|the address|two samples|a new date|more money|"
    "the missing parts|a copy|permission|advice",
    "place": "meeting room|hotel|big hall|train tickets|flights|venue|test lab|restaurant|conference room",
    "stuff": "new batteries|more cables|{num} samples|new chargers|the parts|food and drinks|{num} posters|"
    "paper|new chairs|more screens|stickers",
    "role": "supplier|designer|date|venue|partner|photographer|translator|solution|printer|sponsor|tester",
    "due": "by {day}|by next {day}|by the end of the week|by the end of the month|by tomorrow|tomorrow|"
    "today|next week|this week|in two weeks|in {num} days|by {date}|before {day}|on {day}|"
    "before the next meeting|until {day}|by the end of {month}|by noon on {day}|this afternoon|"
    "by {day} morning|by {day} evening|before lunch|at the latest on {day}|next month",
    "date": "the {ord}|the {ord} of {month}|{month} the {ord}|{day} the {ord}",
    "price": "{num} euros|{num} dollars|{num} thousand euros|{num} hundred euros|{num} percent|"
    "{num} thousand dollars|a hundred euros|two and a half thousand euros",
    "span": "{num} days|{num} weeks|{num} hours|{num} minutes|{num} months|a week|half an hour|a month|"
    "a year|a day|one and a half hours",
    "adj": "good|bad|important|difficult|easy|expensive|cheap|late|ready|nice|interesting|clear|dangerous|"
    "slow|fast|simple|heavy|strong|weak|useful|safe|strange|small|big|new|old|open|perfect|serious",
    "yes": "Yes|Okay|Right|Sure|Exactly|All right|Of course|Good|Fine|Great|Thank you|No problem|I agree|"
    "Absolutely|Good point|Sounds good|That is true",
    "open": "So|Well|Okay|And|But|Now|Then|Also|First|Finally|Anyway|By the way|Actually|Maybe|"
    "Unfortunately|Of course|Before we go on|One more thing",
    "time": "{num} o'clock|half past {num}|noon|{num} thirty|nine in the morning|three in the afternoon",
    "number": "{num}|{num} hundred|a hundred|twenty-five|thirty-five|seventy-five|a thousand|seventy",
    "topic": "budget|schedule|release date|battery|design|survey|website|launch|test results|prices|"
    "contract|press release|supplier|training|packaging|next steps|risks|user interface|prototype",
}
_TEMPLATES = (Path(__file__).parent / "templates.txt").read_text(encoding="utf-8")
_WORD = re.compile(r"[a-z]+(?:['-][a-z]+)*")
_FILLED_PAUSES = {"uh", "um", "hmm", "mm", "mm-hmm", "uh-huh", "huh", "ah", "eh", "mh"}
# AMI writes broken-off words as they sound ("tha", "wh"): short words are kept only from this list.
_SHORT_WORDS = set(
    "a i am an as at be by do go he if in is it me my no of oh ok on or so to tv up us we all and any "
    "are ask bad big bit box but buy can cut day did for fun get got had has her him his how i'd i'm "
    "its job key law let lot low may men new nor not now off old one our out own pay put ran red run "
    "say see set she sit six ten the too top try two use via war was way who why won yes yet you".split()
)


def words(text: str) -> list[str]:
    """The lower-case words of `text`, without punctuation; hyphens split, as in scoring."""
    return [part for word in _WORD.findall(text.lower()) for part in word.split("-")]


def stutters(text: str) -> bool:
    """Whether up to four words are said twice in a row; a small decoder that learns this says it everywhere."""
    said = words(text)
    return any(
        said[at : at + length] == said[at + length : at + 2 * length]
        for length in range(1, 5)
        for at in range(len(said) - 2 * length + 1)
    )


def _fill(template: str, rng: random.Random) -> str:
    def one(match: re.Match[str]) -> str:
        slot = match.group(1)
        plain = {"name": NAMES, "day": DAYS, "month": MONTHS, "ord": ORDINALS, "num": NUMBERS}
        return rng.choice(plain[slot] if slot in plain else _SLOTS[slot].split("|"))

    while "{" in template:
        template = re.sub(r"\{(\w+)\}", one, template)
    return template[0].upper() + template[1:]


def template_sentences(rng: random.Random) -> Iterator[str]:
    """Endless sentences from our templates."""
    templates = [line for line in _TEMPLATES.splitlines() if line]
    while True:
        yield _fill(rng.choice(templates), rng)


def compound_sentences(rng: random.Random) -> Iterator[str]:
    """Endless pairs of template sentences, spoken in one breath: people join clauses more than templates do."""
    sentences = template_sentences(rng)
    proper = {"I", *NAMES, *DAYS, *MONTHS}
    while True:
        first, second = next(sentences), next(sentences)
        if first.endswith("?") or len(first.split()) + len(second.split()) > 20:
            continue
        head = re.split(r"[ ,.']", second, maxsplit=1)[0]
        joined = second if head in proper else second[0].lower() + second[1:]
        yield f"{first.rstrip('.')}, {rng.choice(('', '', '', 'and ', 'but ', 'so '))}{joined}"


def template_vocabulary() -> set[str]:
    """Every word that a template can produce."""
    text = " ".join([*_SLOTS.values(), _TEMPLATES, *NAMES, *DAYS, *MONTHS, *ORDINALS, *NUMBERS])
    return set(words(re.sub(r"\{\w+\}", " ", text)))


def _clean(text: str) -> str | None:
    """An AMI utterance as a written sentence; None where it holds fragments or spelled letters."""
    if "_" in text or not re.fullmatch(r"[A-Za-z ,.?!'-]+", text):
        return None
    kept = [w for w in text.split() if w.lower().strip(",.?!") not in _FILLED_PAUSES]
    bare = [w.strip(",.?!") for w in kept]
    if not 3 <= len(bare) <= 18 or any(len(w) < 4 and w.lower() not in _SHORT_WORDS for w in bare):
        return None
    if any(a.lower() == b.lower() for a, b in pairwise(bare)) or bare[0].startswith("'"):
        return None
    end = "?" if kept[-1].endswith("?") else "."
    sentence = " ".join(kept).rstrip(",.?! -") + end
    return sentence[0].upper() + sentence[1:]


def ami_sentences(folder: Path) -> list[str]:
    """Clean sentences of the AMI meetings in `folder` (CC BY 4.0), each once, in reading order."""
    found: dict[str, None] = {}
    for path in sorted(folder.glob("*.json")):
        for utterance in json.loads(path.read_text(encoding="utf-8"))["utterances"]:
            sentence = _clean(utterance["text"])
            if sentence:
                found.setdefault(sentence)
    return list(found)


def vocabulary(ami: list[str], common: int) -> set[str]:
    """The closed vocabulary: the `common` most frequent words of `ami` and all template words."""
    counts = Counter(word for sentence in ami for word in words(sentence))
    return {word for word, _ in counts.most_common(common)} | template_vocabulary()


def in_vocabulary(sentences: list[str], known: set[str]) -> list[str]:
    """Those of `sentences` whose every word is known."""
    return [s for s in sentences if all(word in known for word in words(s))]


def random_strings(known: set[str], rng: random.Random) -> Iterator[str]:
    """Endless strings of 4 to 9 random vocabulary words, written like a sentence."""
    ordered = sorted(w for w in known if len(w) > 1 and "'" not in w)
    cased = {n.lower(): n for n in (*NAMES, *DAYS, *MONTHS)}
    while True:
        text = " ".join(cased.get(w, w) for w in rng.choices(ordered, k=rng.randint(4, 9)))
        yield text[0].upper() + text[1:] + "."


def corpus(ami: list[str], *, common: int, count: int, seed: int) -> list[str]:
    """`count` training sentences: 45 % templates, 43 % AMI, 12 % random strings; deterministic."""
    rng = random.Random(seed)
    known = vocabulary(ami, common)
    pool = in_vocabulary(ami, known)
    rng.shuffle(pool)
    templates, strings = template_sentences(rng), random_strings(known, rng)
    chosen: list[str] = []
    for i in range(count):
        kind = rng.random()
        if kind < 0.45 or not pool:
            chosen.append(next(templates))
        elif kind < 0.88:
            chosen.append(pool[i % len(pool)])
        else:
            chosen.append(next(strings))
    return chosen
