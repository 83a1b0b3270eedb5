"""What must hold after everything: looked up in Postgres, in S3 and at the receiver."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields

from sqlmodel import select

from benchmarks.chaos_told import ENDS, Told, subject, undelivered, unstable
from core.db.engine import Database
from core.db.models import Batch, Image, Job, WebhookDelivery, WebhookEvent
from core.domain.states import BatchState, DeliveryState, JobState
from core.errors import StoredObjectLostError
from core.storage import Storage


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What must not be: the names of what was found, none if all is well."""

    rows_lost: Sequence[str]
    """Rows of a sheet without an image at the end."""
    finished_twice: Sequence[str]
    """Rows with a second job or a second end, generations with a second image."""
    images_missing: Sequence[str]
    """Images whose object is not in S3, or is another."""
    webhooks_undelivered: Sequence[str]
    """Ends of rows and batches that the receiver was not told of, or not with a valid signature."""
    webhooks_unstable: Sequence[str]
    """What it was told under two ids, or differently under one."""

    def counts(self) -> dict[str, int]:
        """Count each kind."""
        return {field.name: len(getattr(self, field.name)) for field in fields(self)}


def is_settled(database: Database, sheets: int) -> bool:
    """Whether so many sheets are complete, and everything was delivered or given up."""
    with database.session() as session:
        states = session.exec(select(Batch.state)).all()
        waiting = session.exec(
            select(WebhookDelivery.id)
            .where(WebhookDelivery.state == DeliveryState.PENDING)
            .limit(1)
        ).first()
    complete = [state for state in states if state is BatchState.COMPLETED]
    return len(complete) >= sheets and waiting is None


def audit(
    database: Database, storage: Storage, told: Told, sheets: Mapping[str, Collection[str]]
) -> Faults:
    """Compare what is there with what was sent.

    Args:
        database: Read in one transaction.
        storage: Every image is read.
        told: What the receiver was told.
        sheets: The SKUs of each sheet, each once, by the sheet's name.
    """
    with database.session() as session:
        batches = session.exec(select(Batch)).all()
        jobs = session.exec(select(Job)).all()
        images = session.exec(select(Image)).all()
        events = session.exec(select(WebhookEvent)).all()
    return Faults(
        rows_lost=_lost(sheets, batches, jobs),
        finished_twice=_twice(batches, jobs, images, events),
        images_missing=[image.key for image in images if not _is_stored(storage, image)],
        webhooks_undelivered=undelivered(told, batches, jobs, events),
        webhooks_unstable=unstable(told),
    )


def _lost(
    sheets: Mapping[str, Collection[str]], batches: Sequence[Batch], jobs: Sequence[Job]
) -> list[str]:
    names = {batch.id: batch.name for batch in batches}
    made = {
        (names[job.batch_id], job.sku)
        for job in jobs
        if job.batch_id and job.state is JobState.SUCCEEDED and job.image_id
    }
    wanted = {(name, sku) for name, skus in sheets.items() for sku in skus}
    open_ = [batch.name for batch in batches if batch.open_jobs or batch.state != "completed"]
    return [f"{name}/{sku}" for name, sku in sorted(wanted - made)] + open_


def _twice(
    batches: Sequence[Batch],
    jobs: Sequence[Job],
    images: Sequence[Image],
    events: Sequence[WebhookEvent],
) -> list[str]:
    sheets = Counter(batch.name for batch in batches)
    rows = Counter((job.batch_id, job.sku) for job in jobs)
    made = Counter(image.generation_id for image in images)
    ends = Counter((event.type, subject(event)) for event in events if event.type in ENDS)
    counted = (*sheets.items(), *rows.items(), *made.items(), *ends.items())
    return [str(what) for what, number in counted if number > 1]


def _is_stored(storage: Storage, image: Image) -> bool:
    try:
        storage.read(image)
    except StoredObjectLostError:
        return False
    return True
