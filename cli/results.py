"""results.csv: the sheet, with what became of each row."""

import csv
from collections.abc import Sequence
from pathlib import Path

from cli.client import Client
from cli.collection import Collection

FILE_NAME = "results.csv"


def write_results(client: Client, collection: Collection) -> Path:
    """Download the batch's results.csv, its images named as they are here.

    Returns:
        The file.
    """
    target = collection.folder / FILE_NAME
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
