"""Where a batch's renditions fall short of what their channels want: each note once."""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from cli.client import Client
from cli.console import say
from cli.records import Batch

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


def tell_notes(client: Client, batch: Batch, channel: str | None) -> None:
    """Say what the server notes about a finished batch's renditions.

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
