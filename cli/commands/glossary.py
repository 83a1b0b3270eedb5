"""`packshot glossary`: a tenant's words, and the model's words for them, on any server."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from cli.client.http import Client
from cli.connection import connect
from cli.console import say, show, stdout
from cli.errors import UsageError
from cli.options import Key, Url

app = typer.Typer(
    no_args_is_help=True,
    help="Your words, and the words that the model knows for them, in prompts of templates.",
)

PATH = "/v1/glossary"
Word = Annotated[str, typer.Argument(help="A word or phrase of your titles.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_them(as_json: Json = False, url: Url = None, key: Key = None) -> None:
    """List the glossary."""
    with connect(url, key) as client:
        glossary = client.ask("GET", PATH)
    if as_json:
        stdout.print(json.dumps(glossary, indent=2, ensure_ascii=False))
        return
    table = Table("yours", "in prompts", box=None)
    for word, replacement in glossary["entries"].items():
        table.add_row(word, replacement or "(left out)")
    show(table)


@app.command("set")
def set_one(
    word: Word,
    replacement: Annotated[str, typer.Argument(help="What prompts say instead; '' for nothing.")],
    url: Url = None,
    key: Key = None,
) -> None:
    """Add a word, or replace what stands for it."""
    with connect(url, key) as client:
        entries = _without(client.ask("GET", PATH)["entries"], word)
        _replace(client, {**entries, word: replacement})


@app.command()
def remove(word: Word, url: Url = None, key: Key = None) -> None:
    """Remove a word."""
    with connect(url, key) as client:
        entries: Mapping[str, str] = client.ask("GET", PATH)["entries"]
        kept = _without(entries, word)
        if len(kept) == len(entries):
            raise UsageError(f"The glossary has no {word!r}: `packshot glossary list` shows it.")
        _replace(client, kept)


@app.command("import")
def import_file(
    file: Annotated[
        Path,
        typer.Argument(help="A CSV of two columns, yours and the model's, or a JSON object."),
    ],
    url: Url = None,
    key: Key = None,
) -> None:
    """Replace the whole glossary by a file's."""
    entries = _read(file)
    with connect(url, key) as client:
        _replace(client, entries)


def _replace(client: Client, entries: Mapping[str, str]) -> None:
    found = client.ask("PUT", PATH, body={"entries": entries})["entries"]
    say(f"The glossary has {len(found):,} {'word' if len(found) == 1 else 'words'}.")


def _without(entries: Mapping[str, str], word: str) -> dict[str, str]:
    return {one: text for one, text in entries.items() if one.casefold() != word.casefold()}


def _read(file: Path) -> dict[str, str]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8: save it as such.") from error
    if file.suffix.lower() == ".json":
        return _of_json(file, text)
    entries: dict[str, str] = {}
    for number, row in enumerate(csv.reader(text.splitlines()), start=1):
        if not row:
            continue
        if len(row) != 2:
            raise UsageError(
                f"{file}, line {number} has {len(row)} cells instead of two, your word and the "
                "model's, with a comma between them."
            )
        entries[row[0].strip()] = row[1].strip()
    return entries


def _of_json(file: Path, text: str) -> dict[str, str]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{file} is not JSON ({error}).") from error
    # What `glossary list --json` printed can be read again.
    entries = found.get("entries", found) if isinstance(found, dict) else None
    if not isinstance(entries, dict) or not all(isinstance(one, str) for one in entries.values()):
        raise UsageError(f'{file} must hold an object of texts, such as {{"Becher": "mug"}}.')
    return entries
