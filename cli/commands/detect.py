"""`packshot detect`: what marks in image files say of how they were made."""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from cli.client.http import Client
from cli.connection import connect, service_settings
from cli.console import fail, show, stdout
from cli.errors import RefusedError, UsageError
from cli.options import Key, Url
from core.db.engine import DATABASE_ERRORS, Database
from core.errors import InvalidImageError, PackshotError
from core.pictures.marks import MarkReader
from core.pictures.provenance import ai_use_of
from core.settings import get_settings
from core.signing import credentials_of

Document = Mapping[str, Any]
"""What is known of a file: see `core.pictures.marks.Marks.document`."""


def detect(
    files: Annotated[list[Path], typer.Argument(help="Image files.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for each file instead.")
    ] = False,
    url: Url = None,
    key: Key = None,
) -> None:
    """Report whether a machine made images, by their metadata, signature and watermark.

    With this machine's settings; with --url, or a key, by a server, which names the job too.
    """
    asks = url is not None or key is not None
    with connect(url, key) if asks else nullcontext() as client:
        _detect(files, client, as_json=as_json)


def _detect(files: Sequence[Path], client: Client | None, *, as_json: bool) -> None:
    look = partial(_ask, client) if client else partial(_read, _reader())
    table = Table("file", "mark", "AI use", "confidence", "whose", "more", box=None)
    failed = 0
    for file in files:
        try:
            found = look(file)
        except (InvalidImageError, RefusedError) as error:
            if isinstance(error, RefusedError) and error.answer not in (413, 422):
                raise
            failed += 1
            fail(f"{file}: {error.detail}")
            continue
        if as_json:
            stdout.print(json.dumps({"file": str(file), **found}, default=str))
        else:
            _add_rows(table, file, found)
    if table.row_count:
        show(table)
    if failed:
        raise PackshotError(f"{failed:,} of {len(files):,} files could not be looked at.")


def _ask(client: Client, file: Path) -> Document:
    return client.detect(file.name, _body(file))


def _read(reader: MarkReader, file: Path) -> Document:
    return reader.read(_body(file)).document()


def _reader() -> MarkReader:
    """Return what reads as this machine's deployment, as far as its services can be asked."""
    settings = get_settings()
    with suppress(UsageError):
        settings = service_settings()
    with closing(Database(settings)) as database:
        try:
            return MarkReader.of(settings, credentials_of(settings, database))
        except DATABASE_ERRORS:
            return MarkReader.of(settings, None)


def _body(file: Path) -> bytes:
    if file.is_dir():
        raise UsageError(f"{file} is a folder. Name its files, for example {file}/*.png.")
    return file.read_bytes()


def _add_rows(table: Table, file: Path, found: Document) -> None:
    if not found["marks"]:
        table.add_row(str(file), "none", "unknown", "", "", " ".join(found["notes"]))
    for mark in found["marks"]:
        table.add_row(
            str(file),
            mark["carrier"],
            _use(mark["source_type"]),
            mark["confidence"],
            mark["origin"].replace("_", " "),
            _more(mark, found),
        )


def _use(source_type: str | None) -> str:
    return ai_use_of(source_type).value if source_type else "unknown"


def _more(mark: Mapping[str, Any], found: Document) -> str:
    said = []
    if mark["source_type"]:
        said.append(mark["source_type"].rpartition("/")[2])
    if signer := mark["signer"]:
        said.append(f"signed by {signer['name']} ({signer['organisation']})")
    if mark["chance"] is not None:
        said.append(f"in an unmarked picture with a chance of {mark['chance']:.0e} at most")
    if mark["reference"]:
        said.append(f"fingerprint {mark['reference']}…")
    if mark["carrier"] == "watermark" and found.get("job_id"):
        said.append(f"job {found['job_id']}")
    return ", ".join(said)
