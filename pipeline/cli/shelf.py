"""Commands on documents: put them on the shelf, list and remove them, ask what they and the meetings say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from memory.minutes import Minutes
from pipeline import shelf as shelves
from pipeline.cli.options import InFull, config_option, json_option
from pipeline.config import library_home, load
from pipeline.library import Library
from pipeline.minutes import minutes_of
from pipeline.screen import clock
from pipeline.settings import Settings
from retrieval.documents import readable
from retrieval.passage import Hit, ShelfError
from retrieval.shelf import Shelf, Shelved


def opened(config: Path | None) -> tuple[Settings, Library, Shelf]:
    """The settings, the library and its shelf."""
    settings = load(file=config)
    library = Library(library_home(settings))
    return settings, library, shelves.open_shelf(settings.retrieval, library.home)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@config_option
def shelve(paths: tuple[Path, ...], config: Path | None) -> None:
    """Put documents (md, txt, html, pdf, docx; files or folders) on the shelf; they are read again when they change."""
    settings, _, shelf = opened(config)
    named = [path.expanduser().absolute() for path in paths]
    for path in named:
        if not path.exists():
            raise ShelfError(f"there is no {path}; name a document or a folder of documents")
        if path.is_file() and not readable(path):
            raise ShelfError(f"{path} is no document that can be shelved; give md, txt, html, pdf or docx files")
    shelf.set_places([*shelf.places(), *map(str, named)])
    changed = shelves.refresh(shelf, settings.retrieval)
    for document in changed:
        _report(document)
    failed = [document for document in changed if document.trouble]
    if not changed:
        click.echo("nothing has changed since it was shelved")
    if failed and len(failed) == len(changed):
        raise ShelfError("none of them could be read, see above")


@click.group("shelf", cls=InFull, invoke_without_command=True)
@click.pass_context
def shelf_group(context: click.Context) -> None:
    """The documents on the shelf."""
    if context.invoked_subcommand is None:
        context.invoke(list_shelf)


@shelf_group.command("list")
@config_option
@json_option
def list_shelf(config: Path | None = None, as_json: bool = False) -> None:
    """List them, with what could not be read and why."""
    settings, _, shelf = opened(config)
    shelves.refresh(shelf, settings.retrieval)
    documents = [document for document in shelf.shelved() if document.kind == "document"]
    for document in documents:
        if as_json:
            click.echo(json.dumps(vars(document), ensure_ascii=True))
        else:
            click.echo(document.trouble or f"{document.path}: {document.passages} passages")
    if not documents and not as_json:
        click.echo("no document yet: rapporteur shelve PATH")


@shelf_group.command("remove")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@config_option
def remove(paths: tuple[Path, ...], config: Path | None) -> None:
    """Take documents or folders off the shelf; the files stay where they are."""
    settings, _, shelf = opened(config)
    places = shelf.places()
    for path in paths:
        name = str(path.expanduser().absolute())
        if name not in places:
            inside = next((p for p in places if Path(p) in Path(name).parents), "")
            advice = f"it is there as part of {inside}" if inside else "`rapporteur shelf` lists what is"
            raise ShelfError(f"{name} was not shelved by this name; {advice}")
        places.remove(name)
    shelf.set_places(places)
    shelves.refresh(shelf, settings.retrieval)


@click.command()
@click.argument("question", nargs=-1, required=True)
@config_option
@json_option
@click.option("--most", type=click.IntRange(1, 50), default=5, show_default=True, help="answers")
def ask(question: tuple[str, ...], config: Path | None, as_json: bool, most: int) -> None:
    """What all meetings and documents say to a question, word for word, and where they say it."""
    settings, library, shelf = opened(config)
    for document in shelves.refresh(shelf, settings.retrieval, library):
        if document.trouble:
            _report(document)
    hits = shelves.answers(shelf, " ".join(question), most=most)
    console = Console(highlight=False, soft_wrap=True)
    known = cache(lambda name: minutes_of(library.events(library.meeting(name))))  # several hits share a meeting
    for hit in hits:
        said = told(known, hit)
        if as_json:
            click.echo(json.dumps(plain_hit(hit, said), ensure_ascii=True))
            continue
        place = f"{hit.passage.document} {clock(said.at_s)}" if said else where(hit)
        name = f"{said.name}: " if said and said.name else ""
        console.print(Text.assemble((place, "cyan"), f"\n  {name}“{hit.quote}”"))
        for line in said.after if said else ():
            console.print(Text(f"  {line}"))
    if not hits:
        raise ShelfError(
            "nothing was found, in no meeting and no document; ask in other words, or shelve more documents"
        )


def where(hit: Hit) -> str:
    """`budget.pdf, page 2, 4. Where money can be saved`, or a meeting with its moment."""
    passage = hit.passage
    if passage.at_s is not None:
        return f"{passage.document} {clock(passage.at_s)}"
    page = f"page {passage.page}" if passage.page else ""
    return ", ".join(filter(None, (passage.name, page, passage.section)))


@dataclass(frozen=True)
class Told:
    """What a hit in a meeting quotes: who said it when, and what became of it there."""

    at_s: float
    name: str
    after: tuple[str, ...]  # a decision that was taken back is no answer without that


def told(minutes_by_name: Callable[[str], Minutes], hit: Hit) -> Told | None:
    """The quoted sentence of a hit in a meeting; None for a document, or where the journal has it no more."""
    if hit.passage.at_s is None:
        return None
    line = shelves.line_of(hit)
    minutes = minutes_by_name(hit.passage.document)
    said = next((u for u in minutes.utterances if u.id == line), None)
    if said is None:
        return None
    name = next((person.name for person in minutes.people if person.label == said.speaker), "")
    return Told(said.start_s, name, tuple(_became(minutes, line)))


def _became(minutes: Minutes, line: str) -> Iterator[str]:
    """What was said of an item after the utterance that proves it."""
    for item in minutes.items:
        proved = [n for n, change in enumerate(item.history) if line in change.evidence]
        for change in item.history[proved[-1] + 1 :] if proved else ():
            now = minutes.said_by(change.owner) if change.owner else change.what
            at = minutes.start_s(change.evidence)
            if change.change in ("reversed", "changed", "reassigned", "done", "dropped"):
                yield f"later {change.change}{': ' if now else ''}{now}" + ("" if at is None else f"  {clock(at)}")


def plain_hit(hit: Hit, said: Told | None = None) -> dict[str, Any]:
    """A hit as a line of JSON has it."""
    content = shelves.content_of(hit)
    if hit.passage.at_s is None:
        return content
    place = {"meeting": hit.passage.document, "utterance": shelves.line_of(hit)}
    more = {"at_s": said.at_s, "said_by": said.name, "later": list(said.after)} if said else {"at_s": hit.passage.at_s}
    return content | place | more


def _report(document: Shelved) -> None:
    if document.trouble:
        click.echo(f"rapporteur: {document.trouble}", err=True)
    else:
        click.echo(f"{document.path}: {document.passages} passages")
