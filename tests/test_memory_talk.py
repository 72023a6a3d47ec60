"""What people say in other words: how tasks are taken, asked for, handed out and declined, how it is decided, and what is none."""

from __future__ import annotations

import pytest

from tests.test_memory_extract import heard

TASKS = [  # talk, a word of the task, who has it, by when
    (("1 I'll get that contract over to Clara by Thursday.",), 'contract', 'S1', '2026-03-12'),
    (('2 Leave the invoices to me.',), 'invoices', 'S2', ''),
    (('1 The insurer needs to hear about the roof.', "2 I'll ring them this afternoon."), '', 'S2', '2026-03-10'),
    (('1 Someone needs to ring the insurer.', '2 I can.'), 'insurer', 'S2', ''),
    (("1 Who's going to water the plants while we're away?", "3 That'll be me."), 'water', 'S3', ''),
    (("1 Who's doing the shopping for the picnic?", '3 Me.'), 'shopping', 'S3', ''),
    (("1 We still don't have anyone for the car park.", '4 Put my name down for the car park.'), 'car park', 'S4', ''),
    (("1 I'm meeting the accountant on Friday, I'll ask her about the grant.",), 'grant', 'S1', '2026-03-13'),
    (("3 I'm sending the drawings out tomorrow.",), 'drawings', 'S3', '2026-03-11'),
    (("3 I'm going to have another go at the pump tonight.",), 'pump', 'S3', '2026-03-10'),
    (('1 The floor plan is missing.', "2 You'll have it by Friday."), 'floor plan', 'S2', '2026-03-13'),
    (("2 You'll get the revised budget from me on Monday.",), 'budget', 'S2', '2026-03-16'),
    (("2 I'll let the caretaker know.",), 'caretaker', 'S2', ''),
    (("2 I'll have a word with the neighbours about the noise.",), 'neighbours', 'S2', ''),
    (('2 Let me check with legal and come back to you.',), 'legal', 'S2', ''),
    (('2 I can bring the speakers if that helps.', '1 Yes please.'), 'speakers', 'S2', ''),
    (('2 I could drive the band home, if nobody minds.', '1 Perfect, thanks.'), 'band', 'S2', ''),
    (('2 Shall I book a table?', '1 Go for it.'), 'table', 'S2', ''),
    (('2 Do you want me to phone the vet?', '1 Yes, do.'), 'vet', 'S2', ''),
    (('2 Happy to proofread the leaflet.',), 'leaflet', 'S2', ''),
    (("2 I've promised Clara I'd look over her application by Thursday.",), 'application', 'S2', '2026-03-12'),
    (('2 I still have to hand in my expenses by the end of the month.',), 'expenses', 'S2', '2026-03-31'),
    (('2 The draft will be with you by tomorrow evening.',), 'draft', 'S2', '2026-03-11'),
    (('1 Ben, any chance you could look at the printer?', '2 Sure.'), 'printer', 'S2', ''),
    (('1 Ben, would you have time to go through the contract by Friday?', '2 I would.'), 'contract', 'S2', '2026-03-13'),
    (("1 Ben, you'll order the timber, right?", '2 Yes.'), 'timber', 'S2', ''),
    (("1 You'll tell the tenants, won't you?", '3 Of course.'), 'tenants', 'S3', ''),
    (('1 Ben, mind picking up the keys?', '2 No problem.'), 'keys', 'S2', ''),
    (('1 Ben, if you could send round the agenda.', '2 Will do.'), 'agenda', 'S2', ''),
    (('1 I need the measurements from Ben by Thursday.', "2 You'll get them."), 'measurements', 'S2', '2026-03-12'),
    (("1 Ben, I'd like you to chair the next one.", '2 All right.'), 'chair', 'S2', ''),
    (('1 Ring the plumber, Ben, and get him out here tomorrow.', '2 On it.'), 'plumber', 'S2', '2026-03-11'),
    (('1 Ben, you were going to fix the gate.', "2 I know, I'll do it on Saturday."), 'gate', 'S2', '2026-03-14'),
    (('1 Could one of you collect the parcels?', '4 I will, on my way home.'), 'parcels', 'S4', ''),
    (('1 Any volunteers for the bake sale?', '3 Count me in.'), 'bake sale', 'S3', ''),
    (("1 We'll need someone to open up at six.", '4 I can do that.'), 'open up', 'S4', ''),
    (('1 Somebody ought to write to the mayor.', "3 I'd be glad to."), 'mayor', 'S3', ''),
    (('1 It would help if you sent me the figures, Ben.', '2 Consider it done.'), 'figures', 'S2', ''),
    (('1 Make sure the alarm is set, Ben.', '2 Will do.'), 'alarm', 'S2', ''),
    (("1 Ben, don't forget to renew the licence before the end of March.", "2 I won't."), 'licence', 'S2', '2026-03-31'),
    (("1 Let's have Ben look into the heating.", '2 Fine.'), 'heating', 'S2', ''),
    (('1 Ben to follow up with the council.',), 'council', 'S2', ''),
    (("1 So Ben's writing the press release and Clara is taking the photos.",), 'press release', 'S2', ''),
    (('1 Clara will chase the builder.',), 'builder', 'S3', ''),
    (("1 Then it's Clara who calls the school.",), 'school', 'S3', ''),
    (('1 Ben, could you do the minutes by Friday?', "2 I'd love to, but I'm away all week."), 'minutes', '', '2026-03-13'),
    (('1 Ben, could you do the newsletter by Friday?', "2 Not this time, I'm afraid.", "3 I'll do it."), 'newsletter', 'S3', '2026-03-13'),
    (('1 Ben, can you sell the tickets by Friday?', "2 Can't, sorry."), 'tickets', '', '2026-03-13'),
    (('1 Ben, can you sell the tickets by Friday?', "2 I'd rather someone else did that."), 'tickets', '', '2026-03-13'),
    (('1 Who can collect the kit from the laundry?', "2 I'm passing there anyway, I'll grab it tomorrow."), 'kit', 'S2', '2026-03-11'),
    (('1 We ran out of stamps.', "4 I'll get some on Friday."), '', 'S4', '2026-03-13'),
    (("1 Clara's going to see to the tombola.",), 'tombola', 'S3', ''),
    (('1 Ben and I will count the cash tonight.',), 'cash', 'S1', '2026-03-10'),
    (('1 We need a new first aid kit.', "3 I'll order one."), '', 'S3', ''),
    (('1 I need you to drop the trailer off at the garage by noon tomorrow, David.', '4 Got it.'), 'trailer', 'S4', '2026-03-11'),
    (('1 Could we have a list of allergies, Clara?', "3 I'll put one together for Monday."), '', 'S3', '2026-03-16'),
    (('1 The gutter is leaking.', "2 Right, I'll get a ladder and take a look on Saturday."), '', 'S2', '2026-03-14'),
    (("1 David, you're in charge of the barbecue.", '4 Fine.'), 'barbecue', 'S4', ''),
    (('1 David, could you maybe lend us your van on Sunday?', "4 Sorry, it's at the garage."), 'van', '', '2026-03-15'),
    (('1 Action for Ben: clear out the shed by the twentieth.',), 'shed', 'S2', '2026-03-20'),
    (("1 I'll do the door on Saturday.", '2 I can do the door instead, you have enough on your plate.', '1 Thanks, Ben.'), 'door', 'S2', '2026-03-14'),
    (("1 I'll order the cake.", '1 Actually, no, could you do it, Clara?', '3 Sure.'), 'cake', 'S3', ''),
]  # fmt: skip

RULINGS = [  # talk, kind, a word of it
    (("1 We're going with the blue one then.",), 'decision', 'blue'),
    (("1 Let's go for the cheaper printer.", '2 Agreed.'), 'decision', 'printer'),
    (('1 Thursday it is.',), 'decision', 'thursday'),
    (("1 So we're agreed on two shifts.",), 'decision', 'shifts'),
    (("1 So that's settled, we paint it green.",), 'decision', 'green'),
    (('1 I propose we close early on Friday.', "2 I'm for it.", '3 Me too.'), 'decision', 'close early'),
    (('1 Shall we meet at six instead of seven?', '2 Six is fine with me.', '3 Six then.'), 'decision', 'six'),
    (('1 Then the old logo stays.',), 'decision', 'logo'),
    (('1 Okay, so the workshop is postponed to May.',), 'decision', 'workshop'),
    (('1 From next month everybody signs in at the desk.',), 'decision', 'signs in'),
    (('1 No more deliveries after eight.',), 'decision', 'deliveries'),
    (("1 We won't renew the contract, that's final.",), 'decision', 'contract'),
    (('1 The motion is carried, we raise the fee to thirty.',), 'decision', 'fee'),
    (("1 All in favour of moving to Tuesdays? Good, that's unanimous.",), 'decision', 'tuesdays'),
    (("1 We've decided against the extension.",), 'decision', 'extension'),
    (("1 Let's scrap the raffle.", "2 Yes, let's."), 'decision', 'raffle'),
    (("1 We said Berlin, but let's do Leipzig instead.", '2 Fine by me.'), 'decision', 'leipzig'),
    (("1 I'd go for the oak.", '2 So would I.', '3 Oak, then.'), 'decision', 'oak'),
    (("1 We'll do it in the garden.", '2 Good idea.'), 'decision', 'garden'),
    (('1 Everyone happy with the new layout? Then we keep it.', '2 Yes.'), 'decision', 'layout'),
    (('1 Do we need a permit for the bonfire?', '2 No idea.'), 'question', 'permit'),
    (('1 Which colour should the door be?', "2 Let's park that."), 'question', 'colour'),
    (("1 We haven't decided yet who speaks first.",), 'question', 'speaks first'),
    (('1 Is the hall free in June?', "2 We'll have to come back to that."), 'question', 'hall'),
    (('1 Do we sell drinks?', "2 Let's leave that for next time."), 'question', 'drinks'),
    (("1 I'm worried that nobody turns up.",), 'risk', 'turns up'),
    (("1 The danger is that the glue doesn't hold.",), 'risk', 'glue'),
    (('1 We might run out of chairs, that worries me.',), 'risk', 'chairs'),
    (('1 Red or green for the shirts?', '2 Red.', '3 Red.', '1 Red, then.'), 'decision', 'red'),
    (('1 I say we ask for a deposit.', '2 Sounds fair.', '3 Yes, agreed.'), 'decision', 'deposit'),
    (("1 Let's not charge the children.", '2 Agreed.'), 'decision', 'charge'),
    (("1 We'll stick with the old sponsor for another year.", '2 Good.'), 'decision', 'sponsor'),
    (('1 We agreed to meet every second Tuesday.',), 'decision', 'second tuesday'),
    (('1 OK, decision made, we buy the used one.',), 'decision', 'used one'),
    (('1 As of Monday the kitchen is closed after nine.',), 'decision', 'kitchen'),
    (('1 What shall we do with the old chairs?', "2 I don't know yet.", "1 We'll decide that next time."), 'question', 'chairs'),
    (("1 It's still not clear who pays for the bus.",), 'question', 'pays for the bus'),
    (("1 My fear is that the stage won't hold.",), 'risk', 'stage'),
    (("1 There's a chance the licence won't come through in time.",), 'risk', 'licence'),
]  # fmt: skip

NOTHING = [
    ("1 If I won the lottery I'd buy a new roof for the club.",),
    ('1 My brother said he would lend us his trailer.',),
    ('1 I called the plumber yesterday.',),
    ("1 We've already ordered the paint.",),
    ('1 You should have seen his face.',),
    ("1 I'd have told them to go home.",),
    ('1 They want us to fill in a new form.',),
    ('1 I could murder a coffee.', '2 Yes please.'),
    ("1 I'll believe it when I see it.",),
    ("1 I'll be honest, I don't like it.",),
    ("1 I'll never understand that.",),
    ('1 The landlord was going to replace the windows.',),
    ('1 Imagine we painted the whole thing pink.',),
    ('1 Who would do such a thing?',),
    ('1 Can you hear me?', '2 Yes.'),
    ('1 Could you repeat that?', '2 Sure.'),
    ('1 Ben, did you send the form?', '2 Yes, yesterday.'),
    ('1 Would you believe it?',),
    ("1 I'll give you an example.",),
    ("1 I'd say about forty people.",),
    ('1 Shall we start?', '2 Yes.'),
    ('1 Should we buy a van?', "2 I don't think so."),
    ('1 We could go by train.', '2 Hm.'),
    ('1 Last year we went with the tent.',),
    ('1 They decided to close the branch.',),
    ("1 Let's see.",),
    ('1 I was going to order pizza, but Clara has cooked.',),
    ('1 My mum used to bake for the fair.',),
    ("1 When I retire I'll write a book about this place.",),
    ('1 If you see Anna, tell her I said hello.',),
    ('1 I wish somebody would fix that door.',),
    ('1 He asked me to send him the plans, but I refused.',),
    ('1 Nobody told me to bring the drill.',),
    ("1 Let's get cracking.",),
    ('1 Let me share my screen.', '2 Okay.'),
    ('1 Can we move on?', '2 Yes.'),
    ("1 I think I'll have the soup.",),
    ('1 See you on Monday.',),
    ("1 I'm going to be late tomorrow.",),
    ('1 Will you be there on Friday?', '2 Yes.'),
    ("1 We're not going to make the deadline.",),
    ('1 Have we heard from the council?', '2 Not yet.'),
    ("1 You don't need to print the posters any more, Ben.",),
]  # fmt: skip


@pytest.mark.parametrize(("talk", "word", "owner", "due"), TASKS)
def test_a_task_has_who_took_it_and_its_day(talk: tuple[str, ...], word: str, owner: str, due: str) -> None:
    (item,) = heard(*talk)
    assert (item.kind, item.owner.name, item.due.date) == ("action", owner, due)
    assert word in item.what.lower()


@pytest.mark.parametrize(("talk", "kind", "word"), RULINGS)
def test_what_is_decided_or_left_open(talk: tuple[str, ...], kind: str, word: str) -> None:
    (item,) = heard(*talk)
    assert item.kind == kind
    assert word in item.what.lower()


@pytest.mark.parametrize("talk", NOTHING)
def test_what_is_none_of_these(talk: tuple[str, ...]) -> None:
    assert not heard(*talk)
