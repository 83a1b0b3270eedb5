"""Photographs of a sheet's rows, sent to a server: each once, and only what it has not."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from catalogue.photograph_files import MatchedFiles, describe_matches, match_files
from catalogue.sheets.model import Hints, Sheet
from catalogue.sheets.readers import read_sheet
from cli.client.http import Client
from cli.console import say, stderr, stdout
from cli.errors import RefusedError, UsageError
from cli.photographs.album import Album, open_album
from cli.photographs.look import FileLook, tell_some


@dataclass(kw_only=True)
class UploadOutcome:
    """What became of files."""

    sources: dict[str, str] = field(default_factory=dict)
    """By a file's name, the id of its source on the server."""
    sent: int = 0
    """Those that the server did not have."""
    refused: dict[str, str] = field(default_factory=dict)
    """By a file's name, why it is no photograph that is taken."""


def send_photographs(
    client: Client,
    sheet: Path,
    photos: Path,
    hints: Hints,
    *,
    dry_run: bool,
    look: FileLook | None = None,
) -> Mapping[int, str]:
    """Match photographs with a sheet's rows, send them, and say what belongs to nothing.

    Args:
        client: The server.
        sheet: The sheet's file.
        photos: A folder, a ZIP file, or one photograph.
        hints: What the caller says about the sheet.
        dry_run: Whether to send nothing.
        look: What a dry run finds out about the files; None: nothing.

    Returns:
        By a row's line, the id of its source; in a dry run the digest that it would have.

    Raises:
        UsageError: There is no such file, or no photograph in it.
        InvalidSheetError: The sheet cannot be read.
    """
    read = read_sheet(sheet.read_bytes(), name=sheet.name, hints=hints)
    with open_album(photos) as album:
        matched = match_files(read, album.names)
        tell_matches(read, matched)
        files = list(dict.fromkeys(matched.by_line.values()))
        if dry_run:
            digests = dict(_digests(album, files, look))
            if look is not None:
                look.tell(matched)
            return {
                line: digests[file] for line, file in matched.by_line.items() if file in digests
            }
        with stderr.status("Sending photographs"):
            uploads = upload(client, album, files)
    _tell_uploads(uploads, len(files))
    return {
        line: uploads.sources[file]
        for line, file in matched.by_line.items()
        if file in uploads.sources
    }


def _digests(
    album: Album, files: Sequence[str], look: FileLook | None
) -> Iterator[tuple[str, str]]:
    """Yield the digests of files that can be read."""
    for file in files:
        try:
            content = album.read(file)
            if look is not None:
                look.into(file, content)
            yield file, hashlib.sha256(content).hexdigest()
        except UsageError as error:
            say(f"{file}: {error.detail}")


def upload(client: Client, album: Album, files: Sequence[str]) -> UploadOutcome:
    """Send files that the server does not have; what it refuses is noted, and the others go on."""
    uploads = UploadOutcome()
    for file in files:
        try:
            content = album.read(file)
            digest = hashlib.sha256(content).hexdigest()
            found = client.find_source(digest)
            uploads.sources[file] = found or client.send_source(file.rpartition("/")[2], content)
            uploads.sent += found is None
        except UsageError as error:
            uploads.refused[file] = error.detail
        except RefusedError as error:
            if error.answer not in (413, 422):
                raise
            uploads.refused[file] = error.detail
    return uploads


def tell_matches(sheet: Sheet, matched: MatchedFiles) -> None:
    """Report how many rows have a photograph, and what belongs to nothing, both ways."""
    stdout.print(f"{len(matched.by_line):,} of {len(sheet.rows):,} rows have a photograph")
    for remark in describe_matches(sheet, matched):
        tell_some(remark.named, remark.one, remark.several)


def _tell_uploads(uploads: UploadOutcome, files: int) -> None:
    there = len(uploads.sources) - uploads.sent
    counted = "1 photograph" if files == 1 else f"{files:,} photographs"
    stdout.print(f"{counted}: {uploads.sent:,} sent, {there:,} were there already")
    tell_some(
        [f"{file}: {reason}" for file, reason in uploads.refused.items()],
        "photograph was refused",
        "photographs were refused",
    )
