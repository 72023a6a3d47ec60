"""Which verbs are something to do after a meeting, and which are the talk of a meeting about itself."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Verbs of doing: what they name is done at some time and then is done.
_TASK_VERBS = frozenset(
    "accompany activate adapt add address adjust advertise allocate amend analyse analyze announce answer apologise append apply "
    "appoint approach archive arrange ask assemble assess assign attach attend audit authorise back-up bake block book borrow brief "
    "bring broadcast brush build buy calculate calibrate call cancel carry catch chair change charge chase check choose circulate clarify clean "
    "clear close coach code collate collect compare compile complete compose condense conduct configure confirm connect consult "
    "contact convert convince cook coordinate copy correct cover create cut deactivate decorate define delegate delete deliver "
    "demo deploy describe design destroy develop diagnose dig digitise disable discharge dismantle dispatch distribute divide document donate "
    "double-check download draft draw drive drop dry duplicate dust edit email e-mail empty enable encrypt enlarge enrol enquire enter "
    "escalate establish estimate evaluate examine exchange expand explore export extend fasten feed fetch figure file fill film "
    "filter finalise finalize find finish fit fix fold follow format forward freeze fund gather get give glue grab grade grant greet grow "
    "hand handle hang harvest hide highlight hire hold hook host implement import improve include increase inform insert inspect install "
    "instruct insulate insure interview invest investigate invite invoice iron isolate issue join keep knit label launch lay lead lend "
    "level lift light link list load locate lock log look lower mail maintain make manage map mark measure meet merge message "
    "migrate mix modify monitor mount move mow negotiate nominate note notify number obtain offer oil open order organise organize outline "
    "pack paint park paste patch pay phone photocopy photograph pick pilot pin ping place plan plant plaster plug polish post pour practise "
    "prepare prescribe present press prime print probe process produce program project prolong promote proofread propose protect provide prune publish pull "
    "pump purchase push put query queue quote raise rake read rearrange rebook rebuild recalculate recharge recheck recommend reconnect record "
    "recount recruit recycle redesign redirect redo redraft reduce refactor refer refill refresh refund refuel register rehearse "
    "reinstall release reload relocate remake remind remove rename renew renovate rent reopen reorder reorganise repaint repair repeat rephrase replace "
    "replant reply report request reroute reschedule research reseal reserve reset resend resit resolve restart restock restore "
    "retest retrieve return reuse review revise revisit reword rewrite ring rinse roll rotate round run sand save scan schedule scrub "
    "seal search secure select sell send separate serve service set sew share sharpen shift ship shoot shop shorten show shred "
    "sift sign sketch skim slice smooth solder solve sort source speak specify split spray stack staff stamp start staple sterilise stick stitch stop "
    "store strengthen strip stock study submit subscribe summarise summarize supervise supply survey swap sweep switch tackle take talk tape "
    "taste tell test text throw tidy tighten tile time top trace track train transcribe transfer translate treat trim try tune turn type "
    "unblock uninstall unlock unload unpack update upgrade upload vacuum validate verify visit volunteer wash water weed weigh weld "
    "widen wipe wire work wrap write".split()
)
BARE = frozenset("take get keep make look put start stop try show give find add run move hold".split())
# What is said of the meeting itself, or is no doing at all.
_TALK = re.compile(
    r"(?:be|have|had|see|say|tell you|think|know|agree|guess|hope|mean|like|want|need|believe|remember|wonder|feel|seem|"
    r"become|depend|let|love|hate|prefer|come back|come to|go (?:back|on|over|through|to|for|with|ahead|first|into|around|home|and see)|"
    r"get (?:back to (?:that|it|this)|to (?:that|it|this)|into|started|it|that|there|on|rid|the idea|used)|move (?:on|back|over to)|"
    r"talk (?:about|a|you|more)|speak (?:about|up|louder)|discuss|start(?: with)?(?: the meeting)?$|start (?:with|by|off|now|from)|begin|continue|stop (?:here|there|now)|"
    r"finish(?: here| now| with| up| the meeting| in time)?$|skip|wait|"
    r"(?:give|make|show) (?:\w+ )?an? (?:example|idea|impression|guess)|take (?:your time|care$|it easy|a (?:look|break|minute|second|vote|seat)|part|that into|it from|over from here|notes|long|too)|give (?:you|us|it a|more (?:importance|weight))|give (?:(?:it|that|this|them|the \w+) )?(?:an? )?(?:one|two|three|four|five|six|seven|eight|nine|ten)$|"
    r"show (?:you|us|them how)|look (?:like|at (?:that|this|it|the (?:screen|slide|table|next))|good|nice|forward)|read (?:it|that|out)|explain|describe|"
    r"put (?:it|that) (?:this way|like)|put (?:me|my name) (?:on|down)|give (?:me|us) (?:until|till|time|some time|a (?:day|week|minute|moment|second|chance))|call (?:it|that|them)|make (?:sense|it|a (?:decision|choice|point|list of what))|ask (?:you|a question|one|something)|repeat (?:that|it|myself)|"
    r"say|sound|admit|suggest|point|add that|add (?:something|one (?:thing|more))|mention|keep (?:going|it|that|in mind|to)|hold (?:on|it there|that thought|my)|work (?:fine|well|out|for|like|if|with that)|"
    r"run (?:out|through|over)|try (?:it|that)$|open (?:it|that|the (?:window|door|meeting))|close (?:it|that|the (?:window|door|meeting))|raise (?:a|an|one|that|this)|"
    r"hear|understand|imagine|end|miss|pass|leave|sit|stand|stay|use|help|cost|allow|lose|die|win|die|buy it|pay (?:for|more)|"
    r"do (?:well|better|so|fine|without|anything|nothing|everything|what|now|next|with)|meet (?:again|up|next)|thank|welcome|introduce|remind you|note (?:that|down)|"
    r"write (?:it|that|this) down|say that|find (?:it|that|them)(?: \w+)?$|change my mind|send (?:it|that) back|share my screen|"
    r"catch (?:up|you)|work (?:on|through) (?:it|that)$|turn (?:to|now)|place (?:it|that)$|carry on|offer (?:you|that)|quote (?:you|that)|cover (?:that|this)|charge (?:you|for))(?!\S)"
)
# Light verbs whose doing stands in what follows them: "let Anna know", "have a word with him", "get the form to her".
_LIGHT = re.compile(
    r"(?:let (?!me |us |you |it |that |this |go )(?:[\w-]+ ){1,5}?(?:know|have)|"
    r"have (?:a|another|one more) (?:\w+ )?(?:word|chat|talk|meeting|session|call|go|think|look|read) (?:with|at|to|about|through|over)|"
    r"give (?!it |that |this |a |you |us )(?:[\w-]+ ){1,4}?(?:a (?:call|ring|bell|shout|hand|list|copy|lift|tour)|notice|the|my|our)|"
    r"get (?:back|in touch) (?:to|with) (?!that|it|this)\w+|get (?:[\w-]+ ){1,7}?(?:to|over to|across to|off to|signed|done|fixed|ready|printed|sorted|made|repaired|checked|finished)|"
    r"(?:see to|look after|deal with|attend to|take care of|take on|take over|follow up|sort out|get on to|keep an eye on|make a start on) (?!it\b|that\b|this\b|them\b)\w+|"
    r"(?:drive|walk|pop|nip|cycle|fly|travel|go) (?:over|round|down|up|out|along) (?:there|(?:to|and see|and fetch|and get|and ask) )|"
    r"ask (?:around|about)|drop (?:\w+ ){1,3}?a (?:line|note|message)|put (?:together|up|in|out|down) (?:a|an|the|some|our|my) \w+|"
    r"do (?:the|a|an|some|my|our|your|those|these) \w+|take (?:the|a|some|those|these|them|it|her|him) (?:[\w-]+ ){0,5}?(?:to|back|down|over) )"
)
# What is done in the room, while the others look on; with a day to come it is a task all the same.
_HERE = re.compile(
    r"(?:draw|take (?:the |some |these |a few |basically )*(?:minutes|notes?|lunch|vote|break)|make (?:a |an |some |my )*(?:notes?|point|example|click|minutes))(?!\S)"
)
_LOOKING_ON = re.compile(
    r"(?:.*\b(?:whiteboard|on the board|powerpoint|points to|right now|in a (?:minute|second|moment))\b.*)(?!\S)"
)
TALK_BY_A_DAY = frozenset(
    "start discuss end talk show explain use leave go get give let put take make find keep introduce remind read call pay "
    "meet try raise cover turn place hold".split()
)  # talk, but with a day to come a task


_NO_VERB = frozenset(
    "can could would should might must may shall will is are was were am has had been being i you we he she they it that "
    "this there not never wanted liked an and or but if of from with than because".split()
)
_CLAUSE = re.compile(
    r"(?<!\S)(?:i|it|we|you|he|she|they|that|there) (?:am|is|are|was|were|has|have|had|do|did|does)(?!\S)"
)


def base_form(word: str) -> str:
    """ "working", "works" and "worked" as "work" where that is a task's verb."""
    if word in _TASK_VERBS:
        return word
    for ending, instead in (("ing", ""), ("ing", "e"), ("s", ""), ("es", ""), ("ed", ""), ("d", ""), ("ies", "y"), ("ied", "y")):  # fmt: skip
        base = word.removesuffix(ending) + instead
        if not word.endswith(ending):
            continue
        if base in _TASK_VERBS:
            return base
        if len(base) > 3 and base[-1] == base[-2] and base[:-1] in _TASK_VERBS:  # "planning", "stopped"
            return base[:-1]
    return word


def starts_a_task(words: Sequence[str]) -> bool:
    """Whether the words begin with the verb of a task."""
    return bool(words) and base_form(words[0]) in _TASK_VERBS


def is_light(words: Sequence[str]) -> bool:
    """Whether it is a light verb with its doing: "let them know"."""
    return bool(_LIGHT.match(" ".join(words) + " "))


def does_something(words: Sequence[str]) -> bool:
    """Whether the words are a task as they stand: a verb of doing, or a light verb with its doing, and no talk."""
    return is_light(words) or (starts_a_task(words) and not _TALK.match(" ".join(words)))


def worth(words: Sequence[str], *, dated: bool, due: bool, needed: bool, now: bool) -> float:
    """How much the words of a verb and what belongs to it look like something to do, -1 (certainly none) to 0.3.

    dated: by a known day; due: by words that say when; needed: somebody is said to have to; now: while the others look on.
    """
    plain = " ".join(words)
    light = is_light(words)
    if words[0] in _NO_VERB or (not light and not starts_a_task(words) and _CLAUSE.search(plain)):
        return -1.0  # what a word that was misheard makes of other sentences: "I will could swap", "bad I'm away"
    if _TALK.match(plain) and not light:
        return 0.0 if needed or (dated and words[0] in TALK_BY_A_DAY) else -1.0
    here = 0.25 if _HERE.match(plain) else 0.2 if _LOOKING_ON.match(plain) or (now and not dated) else 0.0
    return (
        (0.1 if light or starts_a_task(words) else -0.15)
        - (0.0 if due and not (now and not dated) else here)
        + (0.15 if due else 0.0)
    )
