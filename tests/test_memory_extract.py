"""What is noted of what is said: many ways to take, give, ask, refuse, move, finish and drop a task, and to decide."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.speech import Scores, Utterance
from memory.extract import Extractor
from memory.marks import Marks
from memory.notes import Item
from memory.people import People

DAY = date(2026, 3, 10)  # a Tuesday
PEOPLE = People({"S1": "Anna", "S2": "Ben", "S3": "Clara", "S4": "David"}, {"S2": "industrial designer"})


def heard(*lines: str, people: People = PEOPLE, language: str = "en") -> list[Item]:
    """The items of a talk; a line is "2 text", the number is the speaker's."""
    extractor = Extractor(DAY, people=people)
    for n, line in enumerate(lines, 1):
        label, _, text = line.partition(" ")
        speaker = f"S{label}" if label != "0" else ""
        extractor.hear(Utterance(f"u{n}", text, n * 3.0, n * 3.0 + 2, language, Scores(-0.1, 0, 1, 0), speaker=speaker))
    extractor.finish()
    return [item for item in extractor.book.items.values() if item.id]


def only(kind: str, *lines: str, people: People = PEOPLE) -> Item:
    (item,) = [item for item in heard(*lines, people=people) if item.kind == kind]
    return item


TAKEN = [  # the speaker takes it
    ("I will send the report to the board.", "send the report to the board", ""),
    ("i'll send the report to the board", "send the report to the board", ""),
    ("Okay, I'll write the press release by Friday.", "write the press release", "2026-03-13"),
    ("I am going to call the supplier tomorrow.", "call the supplier", "2026-03-11"),
    ("I'm gonna check the contract today", "check the contract", "2026-03-10"),
    ("And I will also update the website by the end of the week.", "update the website", "2026-03-13"),
    ("Then I will prepare the slides, because they are old.", "prepare the slides", ""),
    ("By tomorrow I will print the posters.", "print the posters", "2026-03-11"),
    ("I can promise nothing, but I will ask the bank for a loan.", "ask the bank for a loan", ""),
    ("I promise to fix the login page by Monday.", "fix the login page", "2026-03-16"),
    ("I volunteer to organise the workshop.", "organise the workshop", ""),
    ("I would be happy to review the budget next week.", "review the budget", "2026-03-20"),
    ("Let me look into the battery problem.", "look into the battery problem", ""),
    ("Let me find out the price of the hall.", "find out the price of the hall", ""),
    ("I shall draft the contract in three days.", "draft the contract", "2026-03-13"),
    ("So I will definitely order new cables by the twentieth.", "order new cables", "2026-03-20"),
    ("I need to send the invoice by Friday.", "send the invoice", "2026-03-13"),
    ("I have to finish the test plan by tomorrow.", "finish the test plan", "2026-03-11"),
    ("My task is to compare the two prototypes.", "compare the two prototypes", ""),
    ("I will I will book the train tickets.", "book the train tickets", ""),
    ("I will, um, translate the user guide.", "translate the user guide", ""),
    ("Thank you, and I will invite the partners.", "invite the partners", ""),
    ("I'll be writing the newsletter next week.", "write the newsletter", "2026-03-20"),
    ("I plan to visit the factory on Thursday.", "visit the factory", "2026-03-12"),
    ("I'll make sure to share the minutes with the others.", "share the minutes with the others", ""),
]


@pytest.mark.parametrize(("said", "what", "due"), TAKEN)
def test_who_says_i_has_the_task(said: str, what: str, due: str) -> None:
    item = only("action", f"3 {said}")
    assert (item.what.lower(), item.owner.name, item.due.date) == (what, "S3", due)
    assert item.evidence == ("u1",)


@pytest.mark.parametrize(("said", "what", "due"), TAKEN[:8])
def test_without_speakers_nobody_is_guessed(said: str, what: str, due: str) -> None:
    item = only("action", f"0 {said}", people=People())
    assert (item.what.lower(), item.owner.kind, item.due.date) == (what, "nobody", due)


ASKED = [  # Anna asks Clara, who says yes
    ("Clara, can you send the survey to the customers?", "Yes, I will do that.", "send the survey to the customers", ""),
    ("Clara could you check the prices by Friday", "sure", "check the prices", "2026-03-13"),
    ("Could you please call the hotel, Clara?", "No problem.", "call the hotel", ""),
    ("Clara, would you mind updating the handbook?", "Of course not, I will do it.", "update the handbook", ""),
    ("I would like you to test the new version, Clara.", "All right.", "test the new version", ""),
    ("Clara, I want you to write the summary by the end of the month.", "Okay, fine.", "write the summary", "2026-03-31"),
    ("Can I ask you to book the meeting room?", "Sure, I can do that.", "book the meeting room", ""),
    ("Clara, please prepare the demo for the customer.", "Will do.", "prepare the demo for the customer", ""),
    ("Will you invite the lawyer, Clara?", "Yes, I will.", "invite the lawyer", ""),
    ("It would be great if you could translate the slides, Clara.", "Happy to.", "translate the slides", ""),
    ("Clara, you have to sign the contract by tomorrow.", "Okay.", "sign the contract", "2026-03-11"),
    ("Can you order the parts?", "Yes, by Thursday.", "order the parts", "2026-03-12"),
    ("Clara, are you able to measure the battery life next week?", "Yes, no problem.", "measure the battery life", "2026-03-20"),
    ("Clara, you are going to design the new cover.", "Great.", "design the new cover", ""),
    ("So Clara, can you please also review the proposal?", "Gladly.", "review the proposal", ""),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "answer", "what", "due"), ASKED)
def test_a_request_belongs_to_who_accepts_it(asked: str, answer: str, what: str, due: str) -> None:
    item = only("action", f"1 {asked}", f"3 {answer}")
    assert (item.what.lower(), item.owner.name, item.due.date) == (what, "S3", due)
    assert item.evidence == ("u1", "u2")


@pytest.mark.parametrize(("asked", "answer", "what", "due"), ASKED[:6])
def test_whom_the_recogniser_did_not_name_is_who_answers(asked: str, answer: str, what: str, due: str) -> None:
    item = only("action", f"1 {asked.replace('Clara', 'lower')}", f"3 {answer}", people=People())
    assert item.owner.name == "S3"


@pytest.mark.parametrize(
    "answer", ["No, I can't.", "Sorry, I don't have time.", "I'm afraid I am away.", "Unfortunately not."]
)
def test_a_refusal_leaves_nobody(answer: str) -> None:
    item = only("action", "1 Clara, can you send the survey by Friday?", f"3 {answer}")
    assert (item.owner.kind, item.due.date) == ("nobody", "2026-03-13")


def test_a_request_that_nobody_answers_has_no_owner() -> None:
    item = only("action", "1 Clara, can you send the survey by Friday?", *["2 The weather was nice in Rome."] * 8)
    assert item.owner.kind == "nobody"


def test_another_one_may_take_what_was_asked() -> None:
    item = only("action", "1 Clara, can you send the survey by Friday?", "2 I can do that.")
    assert item.owner.name == "S2"


@pytest.mark.parametrize(
    ("said", "what", "owner"),
    [
        ("Clara will send the report by Friday.", "send the report", ("speaker", "S3")),
        ("Ben is going to order the samples.", "order the samples", ("speaker", "S2")),
        ("David has to talk to the supplier.", "talk to the supplier", ("speaker", "S4")),
        ("Clara should update the agenda before Monday.", "update the agenda", ("speaker", "S3")),
        ("Peter will call the museum tomorrow.", "call the museum", ("person", "Peter")),
        ("The industrial designer will work on the case.", "work on the case", ("speaker", "S2")),
        ("The marketing expert is going to prepare the survey.", "prepare the survey", ("person", "marketing expert")),
        ("Everybody has to send me the slides by Friday.", "send me the slides", ("group", "everybody")),
        ("The sales team will collect the numbers.", "collect the numbers", ("group", "the sales team")),
        ("Clara and Ben will build the prototype.", "build the prototype", ("group", "clara and ben")),
        ("Okay, Ben to write the test plan by Friday.", "write the test plan", ("speaker", "S2")),
        ("You two are going to work on the prototype.", "work on the prototype", ("group", "you two")),
        ("Ben is responsible for the invitation of the guests.", "the invitation of the guests", ("speaker", "S2")),
        ("All of us need to fill in the questionnaire.", "fill in the questionnaire", ("group", "all of us")),
    ],
)
def test_a_task_that_is_given(said: str, what: str, owner: tuple[str, str]) -> None:
    item = only("action", f"1 {said}")
    assert (item.what.lower(), (item.owner.kind, item.owner.name)) == (what, owner)


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("Somebody has to ask the supplier for a price.", "ask the supplier for a price"),
        ("Someone should book the hall by Friday.", "book the hall"),
        ("One of us needs to call the lawyer.", "call the lawyer"),
        ("We need somebody to translate the manual.", "translate the manual"),
        ("The website needs to be updated by Friday.", "the website needs to be updated"),
        ("Action item: send the minutes to the board.", "send the minutes to the board"),
        ("The contract must be signed this week.", "the contract must be signed"),
    ],
)
def test_a_task_that_nobody_took_has_nobody(said: str, what: str) -> None:
    item = only("action", f"1 {said}")
    assert (item.what.lower(), item.owner.kind) == (what, "nobody")


@pytest.mark.parametrize(
    "answer", ["I will take care of it.", "I'll do that.", "Leave it to me.", "I can do it.", "I am on it."]
)
def test_what_was_raised_is_taken_later(answer: str) -> None:
    item = only("action", "1 Somebody has to ask the supplier for a price.", "4 That is true.", f"2 {answer}")
    assert item.owner.name == "S2"
    assert [change.change for change in item.history] == ["raised", "assigned"]


def test_minutes_later_the_same_task_is_joined() -> None:
    idle = ["3 The old one was red, I think.", "4 It was blue and very heavy."] * 20
    item = only("action", "1 Somebody has to ask the supplier for a battery price.", *idle, "2 I will ask the supplier for the battery price by Friday.")  # fmt: skip
    assert (item.owner.name, item.due.date) == ("S2", "2026-03-13")
    assert [change.change for change in item.history] == ["raised", "assigned"]


@pytest.mark.parametrize(
    "moved",
    [
        "1 The report moves from Clara to Ben.",
        "1 Okay, so the sales report goes from Clara to Ben.",
        "1 Ben takes over the report from Clara.",
        "1 Let us give the report to Ben.",
        "2 I can write the report instead of Clara.",
        "1 Ben will write the sales report instead.",
        "2 I will write the sales report.",
    ],
)
def test_a_task_changes_hands_and_keeps_its_history(moved: str) -> None:
    item = only("action", "3 I will write the sales report by Friday.", moved)
    assert (item.owner.name, item.due.date) == ("S2", "2026-03-13")
    assert [change.change for change in item.history] == ["assigned", "reassigned"]


@pytest.mark.parametrize("said", ["1 Ben takes the market test.", "1 The market test goes to Ben."])
def test_who_is_given_a_task_takes_no_other_that_shares_a_word_with_it(said: str) -> None:
    items = heard("3 I will do the market plan.", said, "1 Give the market test to Clara instead.")
    assert [(item.what.lower(), item.owner.name) for item in items if item.kind == "action"] == [
        ("do the market plan", "S3"),
        ("the market test", "S3"),
    ]


def test_who_lets_go_and_who_steps_in_are_both_evidence() -> None:
    item = only(
        "action", "3 I will write the sales report.", "3 But I am too busy for the report.", "2 I can do the report."
    )
    assert item.owner.name == "S2"
    assert item.history[-1].evidence == ("u2", "u3")


@pytest.mark.parametrize(
    ("closed", "status"),
    [
        ("3 I have sent the sales report.", "done"),
        ("3 I already sent the report to the board.", "done"),
        ("1 The sales report is done.", "done"),
        ("1 We don't need to send the sales report any more.", "dropped"),
        ("1 Forget about the sales report.", "dropped"),
        ("1 The sales report is no longer needed.", "dropped"),
    ],
)
def test_a_task_ends(closed: str, status: str) -> None:
    item = only("action", "3 I will send the sales report to the board.", "1 Thank you.", closed)
    assert item.status == status
    assert item.history[-1].evidence == ("u3",)


DECIDED = [
    "So we agree to sell it without a charger.",
    "We decided to use the rubber case.",
    "Then it is clear, we go with the rubber case.",
    "Let's go with the second design.",
    "The decision is to postpone the launch.",
    "Okay, so we stick with the old supplier.",
    "It is agreed that we hire a second designer.",
    "We have agreed on the blue version for the shop.",
    "So we settled on a price of forty euros.",
]


@pytest.mark.parametrize("said", DECIDED)
def test_a_decision(said: str) -> None:
    item = only("decision", f"1 {said}", "2 Agreed.")
    assert (item.status, item.evidence) == ("decided", ("u1", "u2"))


@pytest.mark.parametrize(
    "said", ["So we move the launch to June.", "Okay, we take the plastic case.", "Then we cancel the trade fair."]
)
def test_a_plain_we_is_a_decision_once_somebody_agrees(said: str) -> None:
    assert not [item for item in heard(f"1 {said}", "2 The weather is nice.") if item.kind == "decision"]
    for answer in ("Good, I like it.", "That give us too more, I like it.", "Two weeks are enough, fine with me."):
        assert only("decision", f"1 {said}", f"2 {answer}").evidence == ("u1", "u2")
    assert not [item for item in heard(f"1 {said}", "2 I do not like it.") if item.kind == "decision"]


@pytest.mark.parametrize(
    ("reversed_by", "what"),
    [
        ("We take back that decision and put the charger in the box.", "put the charger in the box"),
        ("I change my mind. We take back that decision and keep the charger.", "keep the charger"),
        ("Forget what we decided, we put the charger into the box.", "put the charger into the box"),
        ("We undo that decision and include the charger.", "include the charger"),
    ],
)
def test_a_reversal_replaces_what_it_takes_back(reversed_by: str, what: str) -> None:
    item = only(
        "decision", "1 So we agree to sell it without a charger.", "2 Agreed.", f"1 {reversed_by}", "3 That is better."
    )
    assert (item.status, item.what) == ("reversed", what)
    assert [change.change for change in item.history] == ["decided", "reversed"]
    assert item.history[0].what == "sell it without a charger"


def test_a_later_choice_of_the_same_thing_changes_the_decision() -> None:
    item = only("decision", "1 So we agree to use the rubber case.", "2 Fine.", "1 We decided to use the plastic case.")
    assert (item.status, item.what) == ("changed", "use the plastic case")


OPEN_QUESTIONS = [
    ("Do we still want a display?", "We leave the display open."),
    ("Which colour should the case have?", "Let's decide that later."),
    ("How much does the hall cost?", "I don't know."),
    ("Should we sell it in Spain?", "That is still open."),
]


@pytest.mark.parametrize(("question", "left"), OPEN_QUESTIONS)
def test_a_question_that_is_left_open(question: str, left: str) -> None:
    item = only("question", f"2 {question}", f"1 {left}")
    assert item.what == question.removesuffix("?")
    assert item.evidence == ("u1", "u2")


@pytest.mark.parametrize(
    "said", ["It is still unclear whether the factory can deliver.", "The open question is who pays for the hall."]
)
def test_a_question_that_is_declared(said: str) -> None:
    assert only("question", f"1 {said}").evidence == ("u1",)


def test_a_question_that_is_answered_is_none() -> None:
    assert heard("1 Which colour should the case have?", "2 It has to be red, they all said so.") == []


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("There is a risk that the rubber comes late.", "the rubber comes late"),
        ("There is also a risk that we lose the customer.", "we lose the customer"),
        ("The main risk is that the test fails.", "the test fails"),
        ("I'm worried that the supplier stops.", "the supplier stops"),
        ("There's a big danger of losing the licence.", "losing the licence"),
    ],
)
def test_a_risk(said: str, what: str) -> None:
    assert only("risk", f"1 {said}").what == what


TALK = [
    "I will be there.", "I'll tell you what happened.", "I think we have everything.", "Let's start.", "Let us move on to the launch.",
    "Can you hear me?", "Can we go back to the charger?", "See you next Tuesday at nine.", "I have been testing it since December.",
    "Please let me finish, Maria.", "I will never understand that.", "If I send it today, it is too late.", "I will not do that.",
    "The board should see these numbers.", "I can't remember the name.", "That is what I was afraid of.", "Let me see.",
    "It will rain tomorrow.", "The customers will send it back.", "You can press the button.", "Do you know the answer?",
    "We will see.", "We should talk about the price.", "I would like to say something.", "Let us come back to that later.",
    "What do you think about it?", "I'm going to start with the first slide.", "The first of June is too early.",
    "I don't think that we can keep that date.", "Most people already have one at home.", "Is there anything else?", "No risk, no fun.",
    "I just looked at the survey report again.", "The factory needs another six weeks.", "Could you repeat that, please?",
    "Last month we said that it is on the first of June.", "I was going to say the same.", "They asked us to wait.",
]  # fmt: skip


@pytest.mark.parametrize("said", TALK)
def test_talk_is_no_item(said: str) -> None:
    assert heard(f"1 {said}", "2 I see what you mean.", "3 It was like that last year.") == []


def test_the_document_of_what_was_said_is_the_same_without_capitals_and_signs() -> None:
    lines = [
        "1 clara can you send the survey by friday",
        "3 yes i will do that",
        "2 and i will order thirty cases in two weeks",
    ]
    items = heard(*lines)
    assert [(i.what, i.owner.name, i.due.date) for i in items] == [
        ("send the survey", "S3", "2026-03-13"), ("order thirty cases", "S2", "2026-03-24"),
    ]  # fmt: skip


def marks(**more: object) -> Marks:
    usual = {"act": "inf", "action": 0.02, "owner": "", "owner_probability": 0.0, "decision": 0.02, "question": 0.0}
    return Marks(**{"utterance_id": "u1", "salience": 0.1, "topic": 0, "boundary": "", **usual, **more})  # type: ignore[arg-type]


def marked(text: str, seen: Marks) -> list[Item]:
    extractor = Extractor(DAY, people=PEOPLE)
    return extractor.hear(Utterance("u1", text, 0, 1, "en", Scores(0, 0, 1, 0), speaker="S1"), seen)


def test_a_sure_pointer_names_an_owner_where_rules_find_none() -> None:
    (item,) = marked("Somebody has to book the hall.", marks(action=0.6, owner="S2", owner_probability=0.9))
    assert item.owner.name == "S2"
    (item,) = marked("Somebody has to book the hall.", marks(action=0.6, owner="S2", owner_probability=0.4))
    assert item.owner.kind == "nobody"


def test_marks_add_what_no_rule_sees_and_lower_what_they_do_not_believe() -> None:
    (item,) = marked("And marketing for the trend watching then.", marks(action=0.8))
    assert (item.kind, item.owner.kind) == ("action", "nobody")
    assert marked("I must water the plants in the office.", marks(action=0.001)) == []


def test_marks_of_speech_that_the_memory_did_not_learn_count_nothing() -> None:
    extractor = Extractor(DAY, people=PEOPLE)
    german = Utterance("u1", "Ich werde den Bericht schicken.", 0, 1, "de", Scores(0, 0, 1, 0), speaker="S1")
    assert extractor.hear(german, marks(action=0.9)) == []


@pytest.mark.parametrize("text", ["Ich werde den Bericht bis Freitag schicken.", "Je vais envoyer le rapport demain."])
def test_another_language_gives_no_items_by_rules(text: str) -> None:
    assert heard(f"1 {text}", language="de") == []


@given(st.lists(st.tuples(st.integers(0, 3), st.text(max_size=60)), max_size=12))
def test_any_speech_is_survived_and_every_item_names_what_was_said(said: list[tuple[int, str]]) -> None:
    lines = [f"{who} {text}" for who, text in said]
    for item in heard(*lines):
        assert item.evidence
        assert set(item.evidence) <= {f"u{n}" for n in range(1, len(lines) + 1)}
