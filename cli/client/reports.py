"""What a server says of a sheet and of its renditions, for people."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.table import Table

from cli.client.http import Client
from cli.client.photograph_check import print_check
from cli.client.records import BatchRecord
from cli.client.shared_images import print_shared
from cli.console import say, show, stdout
from cli.errors import SheetRefusedError, place_of

_SHOWN_WARNINGS = 20


def print_report(name: str, report: Mapping[str, Any]) -> None:
    """Print a dry run's report.

    Raises:
        SheetRefusedError: The sheet would be refused; every bad cell is named.
    """
    stdout.print(f"{name}: {describe(report['detected'])}")
    _print_titles(report)
    _print_prompts(report["preview"], left_out=report["images"] - len(report["preview"]))
    _print_counts(report)
    print_shared(report.get("shared_images") or {"listed": ()})
    for row in (report.get("skipped") or ())[:_SHOWN_WARNINGS]:
        say(f"line {row['line']} is left out: {row['message']}")
    for warning in report["warnings"][:_SHOWN_WARNINGS]:
        place = place_of(warning)
        say(f"{place}: {warning['message']}" if place else warning["message"])
    if len(report["warnings"]) > _SHOWN_WARNINGS:
        say(f"and {len(report['warnings']) - _SHOWN_WARNINGS} more warnings")
    print_notes(report.get("notes") or ())
    require_valid(report)


def require_valid(report: Mapping[str, Any]) -> None:
    """Check that a dry run found nothing wrong.

    Raises:
        SheetRefusedError: The sheet would be refused; every bad cell is named.
    """
    if not report["valid"]:
        raise SheetRefusedError(report["errors"], report["errors_left_out"])


def print_notes(notes: Sequence[Mapping[str, Any]]) -> None:
    """Print what is right and good to know, beside the counts and not as a warning."""
    for note in notes[:_SHOWN_WARNINGS]:
        stdout.print(note["message"])


def describe(detected: Mapping[str, Any]) -> str:
    """Describe how a sheet was read."""
    parts = [_FORMATS.get(detected["format"], detected["format"])]
    if detected["source"] != "plain":
        parts.insert(0, f"{detected['source']} export")
    if detected["encoding"]:
        parts.append(detected["encoding"])
    if detected["separator"]:
        parts.append(f"separator {_SEPARATORS.get(detected['separator'], detected['separator'])}")
    if detected.get("worksheet"):
        parts.append(f"worksheet {detected['worksheet']!r}")
    columns = ", ".join(f"{name} from {column!r}" for name, column in detected["columns"].items())
    return f"{', '.join(parts)}; {columns}"


_FORMATS = {
    "csv": "CSV", "jsonl": "JSONL", "json": "JSON", "xml": "XML", "xlsx": "XLSX", "xls": "XLS",
    "ods": "ODS",
}  # fmt: skip
_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}


def _print_prompts(preview: Sequence[Mapping[str, Any]], *, left_out: int) -> None:
    if not preview:
        return
    table = Table("line", "sku", "variant", "served by", "prompt", box=None)
    for image in preview:
        cells = (image[name] for name in ("line", "sku", "variant", "cache", "prompt"))
        table.add_row(*("" if cell is None else str(cell) for cell in cells))
    show(table)
    if left_out > 0:
        stdout.print(f"… and {left_out:,} more")


def _print_titles(report: Mapping[str, Any]) -> None:
    """Print what the first titles lost, and how many did; an older server does not say."""
    titles = report.get("titles") or {}
    shown = {image["line"]: image["title"] for image in report["preview"] if image.get("title")}
    changed = {line: one for line, one in shown.items() if one["written"] != one["used"]}
    if changed:
        table = Table("line", "title as written", "title as used", box=None)
        for line, title in changed.items():
            table.add_row(str(line), title["written"], title["used"])
        show(table)
    if titles.get("changed"):
        stdout.print(
            f"{titles['changed']:,} of {titles['used']:,} titles lost what says nothing of a look. "
            "--written-titles keeps it."
        )
    if titles.get("translated"):
        stdout.print(f"The glossary replaced words in {titles['translated']:,} rows' prompts.")


def _print_counts(report: Mapping[str, Any]) -> None:
    forecast, estimate, skipped = (
        report["forecast"],
        report["estimate"],
        report["detected"]["skipped"],
    )
    rows = f"{report['rows']:,} rows" + (f" ({skipped:,} more skipped)" if skipped else "")
    stdout.print(
        f"{rows}, {report['images']:,} images: {forecast['computed']:,} to compute, "
        f"{forecast['shared']:,} shared with equal images, {forecast['from_store']:,} from store"
    )
    # An older server does not say.
    if photographs := report.get("photographs"):
        stdout.print(f"{photographs:,} of {report['rows']:,} rows have a photograph's address")
    if check := report.get("photograph_check"):
        print_check(check)
    for repeated in report["repeated_skus"]:
        lines = ", ".join(map(str, repeated["lines"]))
        more = ", …" if repeated["rows"] > len(repeated["lines"]) else ""
        say(f"SKU {repeated['sku']!r} is in {repeated['rows']:,} rows: lines {lines}{more}")
    seconds = estimate["seconds"]
    taken = "Duration unknown." if seconds is None else f"About {_duration(seconds)}."
    stdout.print(f"{taken} {estimate['basis']}")


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


SHOWN_NOTES = 20

_FACTOR = re.compile(r"(\d+(?:\.\d+)?)×")


@dataclass(kw_only=True)
class Note:
    """One sentence about a channel's renditions; those that differ by a factor only are one."""

    channel: str
    text: str
    """As it is about the first image."""
    sku: str
    """Of the first image that it is about."""
    images: int = 0
    """How many it is about."""
    factors: set[float] = field(default_factory=set)
    """By how much images were enlarged."""

    def add(self, text: str) -> None:
        """Count an image with this note."""
        self.images += 1
        self.factors.update(map(float, _FACTOR.findall(text)))

    @property
    def summary(self) -> str:
        """Return the sentence, with the range of its factors."""
        if len(self.factors) < 2:
            return self.text
        return _FACTOR.sub(f"{min(self.factors):g} to {max(self.factors):g}×", self.text)


def tell_notes(client: Client, batch: BatchRecord, channel: str | None) -> None:
    """Report what the server notes about a finished batch's renditions.

    Args:
        client: The server.
        batch: The batch; channels that it did not name have no notes.
        channel: Only about this channel's; None: about all.
    """
    with TemporaryDirectory() as folder:
        manifest = Path(folder) / "manifest.jsonl"
        client.manifest(batch.id, manifest)
        with manifest.open(encoding="utf-8") as lines:
            notes = group_notes(lines, channel)
    for note in notes[:SHOWN_NOTES]:
        images = "1 image" if note.images == 1 else f"{note.images} images, first"
        say(f"{note.channel}, {images} {note.sku}: {note.summary}")
    if len(notes) > SHOWN_NOTES:
        say(f"and {len(notes) - SHOWN_NOTES} more notes; results.csv has them")


def group_notes(manifest: Iterable[str], channel: str | None) -> Sequence[Note]:
    """Collect the notes of a manifest's lines, in the order of their first images."""
    notes: dict[tuple[str, str], Note] = {}
    for line in manifest:
        job = json.loads(line)
        for one in job["renditions"]:
            name, text = one["channel"], one["note"]
            if text and channel in (None, name):
                first = Note(channel=name, text=text, sku=job["sku"])
                notes.setdefault((name, _FACTOR.sub("", text)), first).add(text)
    return list(notes.values())
