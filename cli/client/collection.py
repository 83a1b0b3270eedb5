"""A batch's images on this disk, each downloaded as soon as it is finished."""

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from tempfile import TemporaryFile

from catalogue.channels import find_channel
from catalogue.naming import Names
from cli.client.http import Client
from cli.client.records import BatchItem, BatchRecord
from cli.errors import RefusedError, UsageError
from core.pictures.formats import Format

DOWNLOADS = 4
"""Images that are downloaded at the same time."""

_NO_RENDITION = frozenset({410, 422})
"""Answers that concern one image: it is gone, or does not suit the channel."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One finished image of the batch."""

    item: BatchItem
    file: Path | None
    """Where it is; None when it failed or was cancelled."""


@dataclass(frozen=True, kw_only=True)
class Collection:
    """A finished batch."""

    batch: BatchRecord
    entries: Sequence[Entry]
    """In the order of the sheet."""
    folder: Path
    """Where the files are."""
    seconds: float
    """How long it took to get here."""
    waited: float
    """How much of that passed before a worker began: it may have had to load its model first."""

    @property
    def missing(self) -> list[Entry]:
        """The images that failed or were cancelled."""
        return [entry for entry in self.entries if entry.file is None]

    def served_by(self, cache: str) -> int:
        """Count the images that a cache served, or that were computed (`miss`)."""
        return sum(entry.item.cache == cache for entry in self.entries if entry.file is not None)


def prepare_folder(folder: Path) -> Path:
    """Make the output folder, find out now whether files can be made in it, and return it.

    Raises:
        UsageError: They cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(
            f"Images cannot be written to {folder} ({error.strerror}). "
            "Choose another folder with --out."
        ) from error
    return folder


class Collector:
    """Waits for a batch and brings its images here.

    It reads the sheet page by page, each again and again until all of it is finished. Lanes are
    first in, first out, so little is ever finished ahead of that page, and a look costs the same
    however large the sheet is.
    """

    def __init__(
        self,
        client: Client,
        batch: BatchRecord,
        folder: Path,
        *,
        tell: Callable[[BatchRecord], None] = lambda _: None,
        channel: str | None = None,
        pause: Callable[[], None] = lambda: time.sleep(1),
    ) -> None:
        self.client = client
        self.batch = batch
        self.folder = folder
        self.tell = tell
        """Called after each look, with the batch as it is then."""
        self.pause = pause
        """Called before the same page is read again."""
        self._channel = find_channel(channel) if channel else None
        self._names = Names()
        self._started = time.monotonic()
        self._begun: float | None = None

    def collect(self) -> Collection:
        """Return when every image is finished and downloaded; earlier files are replaced."""
        entries: list[Entry] = []
        cursor = None
        with ThreadPoolExecutor(DOWNLOADS) as pool:
            while True:
                page, cursor = self._finish_page(pool, cursor)
                entries += page
                if cursor is None:
                    break
        now = time.monotonic()
        return Collection(
            batch=self.batch,
            entries=entries,
            folder=self.folder,
            seconds=now - self._started,
            waited=(self._begun or now) - self._started,
        )

    def _finish_page(
        self, pool: ThreadPoolExecutor, cursor: str | None
    ) -> tuple[Iterable[Entry], str | None]:
        """Return one page's entries and the next page's cursor."""
        targets: dict[str, Path] = {}
        done: dict[str, Entry] = {}
        while True:
            page = self.client.items(self.batch.id, cursor)
            targets = targets or {item.id: self._target(item) for item in page.items}
            fresh = [item for item in page.items if item.is_final and item.id not in done]
            for entry in pool.map(self._download, fresh, [targets[item.id] for item in fresh]):
                done[entry.item.id] = entry
            self._look()
            if len(done) == len(targets):
                return [done[identity] for identity in targets], page.next
            self.pause()

    def _look(self) -> None:
        before = self.batch.finished
        self.batch = self.client.batch(self.batch.id)
        if self._begun is None and (
            self.batch.counts.get("running") or self.batch.finished > before
        ):
            self._begun = time.monotonic()
        self.tell(self.batch)

    def _target(self, item: BatchItem) -> Path:
        """Name an image's file: as the server does, where somebody asked for names."""
        stem = self._names.take(sku=item.sku, variant=item.variant, line=item.line)
        wanted = self._channel
        named = item.renditions.get(wanted.name) if wanted else item.file_name
        extension = wanted.format.extension if wanted else Format.PNG.extension
        # A name that a server gives stays in the folder.
        return self.folder / (PurePath(named or "").name or f"{stem}.{extension}")

    def _download(self, item: BatchItem, file: Path) -> Entry:
        picture = item.picture
        if picture is None:
            return Entry(item=item, file=None)
        url = picture.url
        if self._channel is not None:
            url = f"/v1/jobs/{item.id}/renditions/{self._channel.name}"
        elif file.is_file() and _digest(file.read_bytes()) == picture.digest:
            return Entry(item=item, file=file)
        try:
            body = self.client.download(url)
        except RefusedError as error:
            if self._channel is None or error.answer not in _NO_RENDITION:
                raise
            # The others may suit the channel.
            return Entry(item=replace(item, error=error.detail), file=None)
        # Renamed when complete: an interrupted download leaves no half image.
        unfinished = file.with_name(file.name + ".part")
        unfinished.write_bytes(body)
        unfinished.replace(file)
        return Entry(item=item, file=file)


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
