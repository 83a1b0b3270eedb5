"""One sheet, all the way: sent, waited for, downloaded, written down."""

import csv
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cli.client.collection import Collection, Collector, Entry, prepare_folder
from cli.client.http import Client
from cli.client.records import BatchRecord
from cli.client.reports import describe, print_notes, tell_notes
from cli.console import say, stderr, stdout
from cli.errors import ImagesFailedError, UsageError, place_of
from cli.pictures.contact_sheet import write_contact_sheet
from cli.progress import BatchProgress

SHOWN_FAILURES = 20
LOOK_SECONDS = 1.0
RESULTS = "results.csv"


def pause() -> None:
    """Wait between two looks at the server."""
    time.sleep(LOOK_SECONDS)


def send(client: Client, sheet: Path, fields: Mapping[str, object]) -> BatchRecord:
    """Send a sheet and say what the server thinks of it.

    Raises:
        UsageError: There is no such file.
        RefusedError: The server takes it not; every bad row is named.
    """
    require_sheet(sheet)
    batch = client.submit(sheet, fields)
    if batch.detected and batch.detected["source"] != "plain":
        say(f"{sheet.name} was read as: {describe(batch.detected)}")
    if batch.skipped:
        rows = (
            "1 row has mistakes and was"
            if batch.skipped == 1
            else (f"{batch.skipped:,} rows have mistakes and were")
        )
        say(f"{sheet.name}: {rows} left out (--skipped FILE writes them with the reasons)")
    for warning in batch.warnings[:SHOWN_FAILURES]:
        place = place_of(warning)
        say(f"{sheet.name}, {place + ': ' if place else ''}{warning['message']}")
    if len(batch.warnings) > SHOWN_FAILURES:
        say(f"and {len(batch.warnings) - SHOWN_FAILURES} more warnings; they are in results.csv")
    print_notes(batch.notes)
    return batch


def ask(client: Client, sheet: Path, fields: Mapping[str, object]) -> Mapping[str, Any]:
    """Check a sheet on the server, and return its report.

    Raises:
        UsageError: There is no such file.
        RefusedError: It cannot be read at all.
    """
    require_sheet(sheet)
    return client.dry_run(sheet, fields)


def require_sheet(sheet: Path) -> None:
    """Check that there is such a file.

    Raises:
        UsageError: There is none.
    """
    if not sheet.is_file():
        raise UsageError(f"There is no sheet {sheet}. Check its path.")


def fetch(
    client: Client,
    batch: BatchRecord,
    folder: Path,
    *,
    pause: Callable[[], None] = pause,
    channel: str | None = None,
) -> Collection:
    """Wait for a batch, bring everything that it makes into `folder`, and say what came.

    Raises:
        UsageError: Nothing can be written there.
    """
    prepare_folder(folder)
    try:
        with BatchProgress(batch) as progress:
            collector = Collector(
                client, batch, folder, tell=progress.update, pause=pause, channel=channel
            )
            collection = collector.collect()
    except KeyboardInterrupt:
        say(
            f"The server goes on with batch {batch.id}. Get its images with: "
            f"packshot fetch {batch.id} --out {folder}"
        )
        raise
    with stderr.status("Writing results.csv and the contact sheet"):
        results = write_results(client, collection)
        contact_sheet = write_contact_sheet(collection, batch.name or "packshot")
    _summarise(collection)
    stdout.print(f"Images         {folder}")
    stdout.print(f"Results        {results}")
    stdout.print(f"Contact sheet  {contact_sheet}")
    if any(entry.item.renditions for entry in collection.entries):
        tell_notes(client, collection.batch, channel)
    return collection


def require_all(collection: Collection) -> None:
    """Make failed images an error.

    Raises:
        ImagesFailedError: naming each.
    """
    missing = collection.missing
    if not missing:
        return
    lines = [f"{len(missing)} of {len(collection.entries)} images are missing:"]
    lines += [f"  {_sentence(entry)}" for entry in missing[:SHOWN_FAILURES]]
    if len(missing) > SHOWN_FAILURES:
        lines.append(f"  and {len(missing) - SHOWN_FAILURES} more; see results.csv")
    raise ImagesFailedError("\n".join(lines))


def _sentence(entry: Entry) -> str:
    item = entry.item
    place = f"line {item.line}, " if item.line else ""
    reason = f": {item.error}" if item.error else ""
    return f"{place}{item.sku} variant {item.variant} {item.state}{reason}"


def _summarise(collection: Collection) -> None:
    made = len(collection.entries) - len(collection.missing)
    computed = collection.served_by("miss")
    parts = [f"{computed} computed"]
    if coalesced := collection.served_by("coalesced"):
        parts.append(f"{coalesced} shared with equal images")
    if exact := collection.served_by("exact"):
        parts.append(f"{exact} from store")
    working = collection.seconds - collection.waited
    if computed and working > 0:
        parts.append(f"{computed * 60 / working:.0f} images/min")
    waited = f" after {collection.waited:.1f} s for a worker" if collection.waited >= 1 else ""
    stdout.print(f"{made} images in {working:.1f} s{waited}: {', '.join(parts)}")


def fetch_archive(
    client: Client,
    batch: BatchRecord,
    folder: Path,
    channel: str | None,
    *,
    pause: Callable[[], None],
) -> Path:
    """Wait for a batch, and bring its images as one file into `folder`.

    Args:
        client: The server.
        batch: What to wait for.
        folder: Where the file goes.
        channel: As which channel wants the images; None: as the model drew them.
        pause: Called between two looks.

    Returns:
        The file.

    Raises:
        ImagesFailedError: Some images failed; the others are there.
    """
    prepare_folder(folder)
    with BatchProgress(batch) as progress:
        while batch.finished < batch.total:
            pause()
            batch = client.batch(batch.id)
            progress.update(batch)
    target = folder / (f"images-{channel}.zip" if channel else "images.zip")
    unfinished = target.with_name(target.name + ".part")
    client.archive(batch.id, unfinished, channel)
    unfinished.replace(target)
    stdout.print(f"Images         {target}")
    if channel:
        tell_notes(client, batch, channel)
    made = batch.counts.get("succeeded", 0)
    if made < batch.total:
        raise ImagesFailedError(
            f"{batch.total - made} of {batch.total} images are missing; MISSING.txt in the ZIP "
            "lists them."
        )
    return target


def write_results(client: Client, collection: Collection) -> Path:
    """Download the batch's results.csv, its images named as they are here.

    Returns:
        The file.
    """
    target = collection.folder / RESULTS
    fetched = target.with_name(target.name + ".part")
    client.results(collection.batch.id, fetched)
    names = [entry.file.name if entry.file else "" for entry in collection.entries]
    _name_images(fetched, names)
    fetched.replace(target)
    return target


def _name_images(file: Path, names: Sequence[str]) -> None:
    """Replace the server's paths in the column `image`; rows and names have the same order."""
    with file.open(encoding="utf-8-sig", newline="") as stream:
        header, *rows = csv.reader(stream)
    # The sheet may have a column of that name too; the server's own columns come last.
    column = len(header) - 1 - header[::-1].index("image")
    for row, name in zip(rows, names, strict=True):
        row[column] = name
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
