"""Which rows of a sheet will share an image: for people, and as a CSV."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from catalogue.results import neutralise
from cli.console import say, show, stdout

_SHOWN_IMAGES = 10
_SHOWN_SKUS = 5


def print_shared(shared: Mapping[str, Any]) -> None:
    """Print the first images that several rows will share."""
    if not shared["listed"]:
        return
    table = Table("rows", "skus", "differ in", "prompt", box=None)
    for one in shared["listed"][:_SHOWN_IMAGES]:
        more = ", …" if one["rows"] > _SHOWN_SKUS else ""
        skus = ", ".join(one["skus"][:_SHOWN_SKUS]) + more
        table.add_row(str(one["rows"]), skus, _differences(one) or "nothing", one["prompt"])
    images = "1 image" if shared["images"] == 1 else f"{shared['images']:,} images"
    stdout.print(f"{shared['rows']:,} rows share {images}:")
    show(table)
    if shared["images"] > _SHOWN_IMAGES:
        stdout.print("--shared-file FILE.csv writes all of them.")


def write_shared(shared: Mapping[str, Any], target: Path) -> None:
    """Write which rows will share an image: a line of a CSV for each of them."""
    # Excel takes a file without the mark for one of the machine's old encoding.
    with target.open("w", encoding="utf-8-sig", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(("image", "line", "sku", "rows", "differ_in", "not_shown", "prompt"))
        for number, one in enumerate(shared["listed"], start=1):
            differ, hidden = _differences(one), ", ".join(one["visible"])
            texts = [neutralise(text) for text in (differ, hidden, one["prompt"])]
            for line, sku in zip(one["lines"], one["skus"], strict=True):
                table.writerow((number, line, neutralise(sku), one["rows"], *texts))
    left = shared["images"] - len(shared["listed"])
    more = f"; {left:,} more are left out" if left else ""
    say(f"{target} has {len(shared['listed']):,} images that several rows share{more}.")


def _differences(shared: Mapping[str, Any]) -> str:
    fields: Mapping[str, Sequence[str]] = shared["differences"]
    return "; ".join(f"{name}: {', '.join(values)}" for name, values in fields.items())
