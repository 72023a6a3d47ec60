"""`rapporteur speakers` and `rapporteur forget`: who spoke, whose voice is known, and who is to be forgotten."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from audio.diarize.encoder import Ge2eEncoder
from audio.diarize.identity import Voiceprint, comparable, nearest
from audio.diarize.turns import label_after
from memory.corpora import MindError
from pipeline.cli.options import InFull, config_option, echo_row, json_option, library_of
from pipeline.config import library_home, load
from pipeline.events import Corrected, Event, Named, PipelineError, Said
from pipeline.forgetting import forget_meeting, forget_person
from pipeline.journal import Journal
from pipeline.library import Library, Meeting
from pipeline.loading import load_mind
from pipeline.recordings import ENOUGH_S, channels_of, divided, heard_again, recording_of, voices_of, whole_voice
from pipeline.screen import clock
from pipeline.series import memories_without
from pipeline.shelf import open_shelf
from pipeline.transcript import Transcript, display_name
from pipeline.voiceprints import Voiceprints

consent_option = click.option(
    "--consent", default="", help="how the person agreed that the voice is kept; needed to enrol"
)


@click.group(cls=InFull)
def speakers() -> None:
    """Who spoke in a meeting, and whose voice is known."""


@speakers.command("list")
@click.argument("meeting", default="latest")
@config_option
@json_option
def list_speakers(meeting: str, config: Path | None, as_json: bool) -> None:
    """The speakers of a meeting: how long each spoke, and how sure a name is that a voiceprint gave."""
    _, _, transcript = _opened(meeting, config)
    talk_s = transcript.talk_s()
    table = Table("label", "name", "talk time", "utterances", "recognised", box=None, pad_edge=False)
    for label, name in transcript.speakers.items():
        count = sum(u.speaker == label for u in transcript.utterances)
        sure = transcript.recognised.get(label)
        if as_json:
            row = {
                "label": label,
                "name": name,
                "talk_s": round(talk_s[label], 3),
                "utterances": count,
                "confidence": sure,
            }
            echo_row(row)
        table.add_row(label, name, clock(talk_s[label]), str(count), f"{sure:.0%} sure" if sure is not None else "")
    if not as_json:
        untold = "no speaker is known here: transcribe with --speaker-engine embedded"
        nobody = untold if transcript.utterances else "nobody spoke"
        Console(highlight=False).print(table if table.row_count else nobody)


@speakers.command()
@click.argument("meeting")
@click.argument("label")
@click.argument("name")
@click.option(
    "--enrol",
    is_flag=True,
    help="also keep the voice, to know it in other meetings, from two meetings more surely; needs --consent",
)
@consent_option
@config_option
def name(meeting: str, label: str, name: str, enrol: bool, consent: str, config: Path | None) -> None:
    """Give a speaker a name; "" takes it away."""
    library, found, transcript = _opened(meeting, config)
    speaker, name = _label(label, transcript), _spelled(name)
    others = {other: shown for other, shown in transcript.speakers.items() if other != speaker}
    for other in others:
        if name.casefold() in (other.casefold(), display_name(other).casefold()):
            raise PipelineError(f'"{name}" is another speaker of this meeting; give another name, or merge the two')
    if enrol:
        _enrol_from(library, transcript, speaker, name, consent)
    _append(library, found, [Named(speaker, name, "user")])
    click.echo(f"{speaker} of {found.id} is {name or 'nobody in particular'}{', voice kept' if enrol else ''}; {_ANEW}")
    for other in (other for other, shown in others.items() if shown.casefold() == name.casefold()):
        click.echo(f"{other} is {name}, too; if they are one: `rapporteur speakers merge {found.id} {speaker} {other}`")


@speakers.command()
@click.argument("meeting")
@click.argument("label")
@click.argument("into")
@config_option
def merge(meeting: str, label: str, into: str, config: Path | None) -> None:
    """Two speakers are one person: all that LABEL said becomes INTO's."""
    library, found, transcript = _opened(meeting, config)
    one, other = _label(label, transcript), _label(into, transcript)
    if one == other:
        raise PipelineError(f"{one} and {other} are the same speaker; name two")
    ids = [u.id for u in transcript.utterances if u.speaker == one]
    _append(library, found, [Corrected(id, "speaker", other, "user") for id in ids])
    click.echo(f"{len(ids)} utterances of {one} are {other}'s now; {_ANEW}")


@speakers.command()
@click.argument("meeting")
@click.argument("label")
@config_option
def split(meeting: str, label: str, config: Path | None) -> None:
    """One speaker is two people: the recording is heard again, and the smaller part becomes a speaker of its own."""
    library, found, transcript = _opened(meeting, config)
    speaker = _label(label, transcript)
    heard = heard_again(recording_of(transcript), channels_of(transcript))
    ids = divided(heard, transcript.utterances, speaker)
    new = label_after([label for event in library.events(found) for label in _labels(event)])
    _append(library, found, [Corrected(id, "speaker", new, "user") for id in ids])
    click.echo(f"{len(ids)} utterances of {speaker} are {new}'s now; `rapporteur speakers merge` undoes it")


@speakers.command()
@click.argument("person")
@click.argument("recording", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@consent_option
@config_option
def enrol(person: str, recording: Path, consent: str, config: Path | None) -> None:
    """Keep the voice of a PERSON who agrees to it, from a recording of that person alone."""
    library = library_of(config)
    if not consent.strip():
        raise PipelineError("a voiceprint needs the person's consent; say how it was given with --consent")
    voice = whole_voice(heard_again(recording, "mix"))
    person = _spelled(person)
    _keep(library, Voiceprint(person, Ge2eEncoder.name, voice.embedding), consent, voice.speech_s)
    click.echo(f"{person} is known by {voice.speech_s:.0f} s of speech; `rapporteur forget --person` undoes it")


@speakers.command()
@config_option
@json_option
def known(config: Path | None, as_json: bool) -> None:
    """Whose voices are kept, since when, and how they agreed."""
    table = Table("person", "enrolled", "speech", "consent", "", box=None, pad_edge=False)
    for kept in Voiceprints(library_of(config).home).enrolled(warn=_warn):
        own = kept.voice.encoder
        usable = comparable(own, Ge2eEncoder.name)
        if as_json:
            row = {
                "person": kept.voice.person,
                "enrolled": kept.enrolled,
                "speech_s": kept.speech_s,
                "consent": kept.consent,
                "encoder": own,
                "usable": usable,
            }
            echo_row(row)
        why = "" if usable else f"unusable: made by {own}; enrol again"
        table.add_row(kept.voice.person, kept.enrolled[:10], f"{kept.speech_s:.0f} s", kept.consent, why)
    if not as_json:
        Console(highlight=False).print(table if table.row_count else "no voice is kept: rapporteur speakers enrol")


@click.command()
@click.argument("meeting", default="")
@click.option("--person", default="", help="forget a person in all meetings: voiceprints, names, mentions")
@click.option("--exports", multiple=True, type=click.Path(exists=True, file_okay=False, path_type=Path),
              help="with --person: a folder of exported files to rewrite, too")  # fmt: skip
@click.option("--yes", is_flag=True, help="do not ask")
@config_option
def forget(meeting: str, person: str, exports: tuple[Path, ...], yes: bool, config: Path | None) -> None:
    """Remove a MEETING, or a person with --person, for good."""
    if bool(meeting) == bool(person):
        raise click.UsageError("name either a meeting or --person")
    settings = load(file=config)
    library = Library(library_home(settings))
    shelf = lambda: open_shelf(settings.retrieval, library.home)
    if not yes:
        if sys.stdin is None:
            raise click.UsageError("nobody can be asked, for standard input is closed; --yes does not ask")
        click.confirm(f"Forget {person or library.meeting(meeting).id} for good?", abort=True)
    if meeting:
        found = library.meeting(meeting)
        memories = forget_meeting(found, library, shelf, _warn)
        click.echo(
            f"{found.id} is gone: journal, what lay with it, its place in the index, on the shelf and in its series, "
            f"and {memories} memories of later meetings that knew of it"
            + (f"; the recording {found.source} is yours and stays" if Path(found.source).is_file() else "")
        )
        return
    try:
        # a damaged series is told by forget_person
        remade = memories_without(library, person, lambda: load_mind(settings), lambda _: None)
    except MindError as error:
        remade = []
        _warn(f"series of theirs begin with an empty memory: {error}")
    gone = forget_person(person, library, exports, shelf=shelf, warn=_warn)
    for path, state in remade:
        state.save(path)
    click.echo(
        f"removed: {gone.voiceprints} voiceprints, {gone.events} lines in {gone.meetings} journals, {gone.memories} "
        f"memories, the name in {len(gone.exports)} exports; the index was made again"
    )
    for path in gone.left:
        click.echo(f"still holds the name, look at it: {path}", err=True)


def _opened(key: str, config: Path | None) -> tuple[Library, Meeting, Transcript]:
    library = library_of(config)
    meeting = library.meeting(key)
    return library, meeting, Transcript.of(library.events(meeting))


def _label(given: str, transcript: Transcript) -> str:
    """A label or a shown name, in any case of its letters."""
    wanted = given.strip().casefold()
    fitting = [label for label, name in transcript.speakers.items() if wanted in (label.casefold(), name.casefold())]
    if len(fitting) != 1:
        there = ", ".join(f"{label} ({name})" for label, name in transcript.speakers.items()) or "none"
        raise PipelineError(f'"{given}" is {"no" if not fitting else "more than one"} speaker; there are: {there}')
    return fitting[0]


def _labels(event: Event) -> tuple[str, ...]:
    """Every label that was ever given: one whose speaker was merged away may still have a name."""
    match event:
        case Said(utterance):
            return (utterance.speaker,)
        case Corrected(field="speaker", value=label) | Named(speaker=label):
            return (label,)
        case _:
            return ()


def _spelled(name: str) -> str:
    """A name without needless spaces and with composed letters, so that it is one name whoever typed it; and without
    what commands a terminal or turns the direction of a line (joiners of letters stay)."""
    seen = "".join(letter for letter in " ".join(name.split()) if letter.isprintable() or letter in "\u200c\u200d")
    return unicodedata.normalize("NFC", seen)


def _append(library: Library, meeting: Meeting, events: list[Event]) -> None:
    with Journal(library.folder(meeting)) as journal:
        journal.append(*events)


def _enrol_from(library: Library, transcript: Transcript, speaker: str, person: str, consent: str) -> None:
    if not person.strip() or not consent.strip():
        raise PipelineError("a voiceprint needs a name and the person's consent; say how it was given with --consent")
    heard = heard_again(recording_of(transcript), channels_of(transcript))
    voices = voices_of(heard, transcript.utterances)
    voice = voices.get(speaker)
    if voice is None or voice.speech_s < ENOUGH_S:
        raise PipelineError(f"{speaker} speaks less than {ENOUGH_S:.0f} s alone; enrol from another recording")
    same = {speaker, *(label for label, shown in transcript.speakers.items() if shown.casefold() == person.casefold())}
    others = [other.embedding for label, other in voices.items() if label not in same]
    crowd = nearest(voice.embedding, others, Ge2eEncoder.name)
    _keep(library, Voiceprint(person, Ge2eEncoder.name, voice.embedding, crowd), consent, voice.speech_s)


def _keep(library: Library, voice: Voiceprint, consent: str, speech_s: float) -> None:
    today = datetime.now().astimezone().isoformat(timespec="seconds")
    Voiceprints(library.home).add(voice, enrolled=today, consent=consent, speech_s=speech_s)


_ANEW = "`rapporteur export` writes its files anew"
_warn: Callable[[str], None] = lambda sentence: click.echo(f"rapporteur: {sentence}", err=True)
