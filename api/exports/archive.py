"""images.zip of a batch: written while it is sent, whatever its size, in little memory."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from api.exports.results import BatchRows, free_among
from api.services import Services
from api.turns.downloads import Opened
from api.views.images import gone, ready_image
from api.views.jobs import JobRow, find_to_give_out
from api.views.renditions import file_name_of, rendition_body
from catalogue.channels import Channel
from catalogue.naming import Names
from core.db.engine import DATABASE_ERRORS
from core.db.models import Image, Job
from core.errors import PackshotError, StoredObjectLostError, first_line
from core.pictures.formats import EXTENSIONS, ORIGINAL
from core.storage import STORAGE_ERRORS

AT_ONCE = 4
"""Files that are read at the same time, and are in memory until the reader has taken them."""
PAGE_ROWS = 100
"""Rows whose images are to be read that are in memory at the same time."""
LARGE_IMAGES = 100
"""A batch with more is a large download."""

MISSING = "MISSING.txt"
"""What says which images are not in the archive, and why."""


@dataclass(frozen=True, kw_only=True)
class File:
    """One file of the archive."""

    name: str
    body: bytes
    image: Image


class Sink:
    """What the archive is written to: not seekable, and emptied again and again."""

    def __init__(self) -> None:
        self._held = bytearray()

    def write(self, content: bytes) -> int:
        """Append some bytes."""
        self._held += content
        return len(content)

    def flush(self) -> None:
        """Do nothing: `take` empties the buffer."""

    def take(self) -> bytes:
        """Return what was written since the last call."""
        taken, self._held = bytes(self._held), bytearray()
        return taken


def open_archive(
    services: Services, tenant: str, batch_id: UUID, channel: Channel | None
) -> Opened:
    """Open a batch's finished images as a ZIP, in the order of its sheet.

    What is not there is named in MISSING.txt, and breaks nothing: the archive was begun before
    anybody knew.

    Args:
        services: Where images are.
        tenant: Whose batch it is.
        batch_id: The batch.
        channel: As which channel wants them; None: as the model made them.

    Raises:
        NotFoundError: The tenant has no such batch.
    """
    rows = BatchRows(services.database, tenant, batch_id)
    suffix = f"-{channel.name}" if channel else ""
    return Opened(
        headers=rows.attachment(f"images-{batch_id}{suffix}.zip", "application/zip"),
        chunks=_archive(services, rows, channel),
        counted_for=tenant if rows.batch.total_jobs > LARGE_IMAGES else None,
    )


def _archive(services: Services, rows: BatchRows, channel: Channel | None) -> Iterator[bytes]:
    sink, missing, names = Sink(), [], Names()
    with ZipFile(sink, "w", ZIP_STORED) as archive:  # type: ignore[call-overload]
        while page := rows.next_page(PAGE_ROWS):
            ahead = deque((row, _name(row, channel, names)) for row in page)
            del page
            while ahead:
                for job, file in _read_some(services, ahead, channel):
                    if isinstance(file, File):
                        archive.writestr(_entry(file.name, file.image), file.body)
                    else:
                        missing.append(f"{_place(job)}: {file}\n")
                    yield sink.take()
        if missing:
            archive.writestr(MISSING, "".join(missing))
    yield sink.take()


def _read_some(
    services: Services, ahead: deque[tuple[JobRow, str]], channel: Channel | None
) -> Sequence[tuple[Job, File | str]]:
    """Read the next files at the same time; of each that is not there, the reason."""
    taken = [ahead.popleft() for _ in range(min(AT_ONCE, len(ahead)))]
    free = free_among(services, [row for row, _ in taken])
    read = services.downloads.readers.map(
        lambda one: _read(services, one[0], channel, one[1], is_free=one[0][0].id in free), taken
    )
    return [(row[0], file) for (row, _), file in zip(taken, read, strict=True)]


def _name(row: JobRow, channel: Channel | None, names: Names) -> str:
    """Name a file: as it was asked for, else so that the sheet's products are told apart."""
    job, image, *_ = row
    if job.files.get(channel.name if channel else ORIGINAL):
        return file_name_of(job, channel)
    stem = names.take(sku=job.sku, variant=job.variant, line=job.line)
    if channel is not None:
        return f"{stem}.{channel.format.extension}"
    return f"{stem}.{EXTENSIONS.get(image.content_type, 'png') if image else 'png'}"


def _read(
    services: Services, row: JobRow, channel: Channel | None, name: str, *, is_free: bool
) -> File | str:
    """Read one file; return the reason when it is not there, or not to be given out."""
    job, found, *_ = row
    try:
        if not is_free:
            with services.database.reader() as session:
                job, found, *_ = find_to_give_out(session, job.tenant, job.id)
        image = ready_image(job, found)
        if channel is not None:
            body = rendition_body(services, image, channel, services.renditions.get)[1]
        else:
            body = _original(services, image)
        return File(name=name, body=body, image=image)
    except PackshotError as error:
        return error.detail
    except (*STORAGE_ERRORS, *DATABASE_ERRORS) as error:
        return f"It could not be read ({first_line(error)}). Try again."


def _original(services: Services, image: Image) -> bytes:
    try:
        return services.storage.read(image)
    except StoredObjectLostError as error:
        raise gone(services, image, error) from error


def _entry(name: str, image: Image) -> ZipInfo:
    entry = ZipInfo(name, date_time=image.created_at.timetuple()[:6])
    entry.external_attr = 0o644 << 16
    return entry


def _place(job: Job) -> str:
    line = f"line {job.line}, " if job.line else ""
    return f"{line}{job.sku or job.id} variant {job.variant}"
