"""Events, written in the transaction that changes the state they are about (an outbox).

Without subscribers: one index lookup, no writes.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any, Self
from uuid import UUID

from sqlalchemy import Integer, String, Uuid, func, insert, select, update
from sqlmodel import Session, col

from core.db.arrays import among, values_table
from core.db.models import Batch, Image, Job, WebhookEvent
from core.db.models.columns import new_id
from core.domain.states import BatchState, JobState
from core.webhooks import deliveries
from core.webhooks.event_types import EventType
from core.webhooks.listeners import Listener, callback, listeners_of
from core.webhooks.payloads import JOB_DATA, count_jobs

PROGRESS_SECONDS = 5.0
"""Between two events about one batch's progress."""

_OF_JOBS: Mapping[JobState, EventType] = {
    JobState.SUCCEEDED: EventType.IMAGE_COMPLETED,
    JobState.FAILED: EventType.IMAGE_FAILED,
}
"""By the state that a job reaches; who cancels one knows it already."""

_OF_BATCHES: Mapping[BatchState, EventType] = {
    BatchState.RUNNING: EventType.BATCH_PROGRESS,
    BatchState.COMPLETED: EventType.BATCH_COMPLETED,
    BatchState.CANCELED: EventType.BATCH_CANCELED,
}


@dataclass(frozen=True, kw_only=True)
class _Change:
    """What is read of a row that has changed."""

    @classmethod
    def columns(cls, table: type[Any]) -> list[Any]:
        """Name the columns that are needed."""
        return [col(getattr(table, one.name)) for one in fields(cls)]

    @classmethod
    def of(cls, row: Any) -> Self:
        """Read them."""
        return cls(**{one.name: getattr(row, one.name) for one in fields(cls)})


@dataclass(frozen=True, kw_only=True)
class JobChange(_Change):
    """A job that has just reached a final state."""

    id: UUID
    tenant: str
    batch_id: UUID | None
    callback_url: str | None


@dataclass(frozen=True, kw_only=True)
class BatchChange(_Change):
    """A batch some of whose jobs have just finished, or that has just ended."""

    id: UUID
    tenant: str
    name: str
    callback_url: str | None
    open_jobs: int
    total_jobs: int
    state: BatchState


@dataclass(kw_only=True)
class _Planned:
    """An event that somebody wants."""

    type: EventType
    tenant: str
    listeners: Sequence[Listener]
    batch_id: UUID | None = None
    job_id: UUID | None = None
    data: Mapping[str, Any] | None = None
    """None: read from the job's row."""
    id: UUID = field(default_factory=new_id)
    sequence: int = 1


def record(
    session: Session,
    *,
    state: JobState,
    jobs: Collection[JobChange],
    batches: Collection[BatchChange] = (),
) -> None:
    """Record the events of jobs that reached a state, and of their batches.

    The rows of jobs, images and batches are as they are after the change, the batches locked.
    """
    tenants = {job.tenant for job in jobs} | {batch.tenant for batch in batches}
    if not tenants:
        return
    endpoints = listeners_of(session, tenants)
    event = _OF_JOBS.get(state)
    planned = [] if event is None else _of_jobs(endpoints, event, jobs)
    planned += _of_batches(session, endpoints, batches)
    _number(session, planned)
    _write(session, planned)


def record_judgements(session: Session, event: EventType, jobs: Collection[JobChange]) -> None:
    """Record that somebody judged the images of jobs, whose rows are as they are after that."""
    if not jobs:
        return
    endpoints = listeners_of(session, {job.tenant for job in jobs})
    # A callback hears of its job's end alone.
    planned = _of_jobs(endpoints, event, [replace(job, callback_url=None) for job in jobs])
    _number(session, planned)
    _write(session, planned)


def record_endpoint_event(
    session: Session, tenant: str, event: EventType, data: Mapping[str, Any], to: Sequence[Listener]
) -> list[UUID]:
    """Record an event about an endpoint for these listeners; return its deliveries' ids."""
    if not to:
        return []
    return _write(session, [_Planned(type=event, tenant=tenant, listeners=to, data=data)])


def _of_jobs(
    endpoints: Mapping[str, Sequence[Listener]], event: EventType, jobs: Collection[JobChange]
) -> list[_Planned]:
    planned = []
    for job in jobs:
        listeners = _listeners(endpoints, event, job.tenant, job.callback_url)
        if listeners:
            planned.append(
                _Planned(
                    type=event,
                    tenant=job.tenant,
                    listeners=listeners,
                    batch_id=job.batch_id,
                    job_id=job.id,
                )
            )
    return planned


def _listeners(
    endpoints: Mapping[str, Sequence[Listener]], event: EventType, tenant: str, url: str | None
) -> list[Listener]:
    found = [one for one in endpoints.get(tenant, ()) if one.wants(event)]
    if url is not None:
        found.append(callback(tenant, url))
    return found


def _of_batches(
    session: Session,
    endpoints: Mapping[str, Sequence[Listener]],
    batches: Collection[BatchChange],
) -> list[_Planned]:
    wanted = []
    for batch in batches:
        event = _OF_BATCHES[batch.state]
        listeners = _listeners(endpoints, event, batch.tenant, batch.callback_url)
        if listeners:
            wanted.append((batch, event, listeners))
    running = {batch.id for batch, *_ in wanted if batch.state is BatchState.RUNNING}
    ended = [batch.id for batch, *_ in wanted if batch.id not in running]
    due, counts = _due_progress(session, running), count_jobs(session, ended)
    return [
        _Planned(
            type=event,
            tenant=batch.tenant,
            listeners=listeners,
            batch_id=batch.id,
            data=_batch_data(batch, counts.get(batch.id)),
        )
        for batch, event, listeners in wanted
        if batch.id not in running or batch.id in due
    ]


def _batch_data(batch: BatchChange, counts: Mapping[str, int] | None) -> Mapping[str, Any]:
    data = {
        "batch_id": str(batch.id),
        "name": batch.name,
        "state": batch.state.value,
        "total": batch.total_jobs,
        "finished": batch.total_jobs - batch.open_jobs,
    }
    return data | ({"counts": counts} if counts else {})


def _due_progress(session: Session, batch_ids: Collection[UUID]) -> set[UUID]:
    """Find the batches whose last progress event is old enough for another one now."""
    if not batch_ids:
        return set()
    long_ago = func.now() - timedelta(seconds=PROGRESS_SECONDS)
    last_at = func.coalesce(col(Batch.progress_at), col(Batch.created_at))
    due = session.execute(
        update(Batch)
        .where(among(Batch.id, batch_ids), last_at <= long_ago)
        .values(progress_at=func.now())
        .returning(col(Batch.id))
    ).scalars()
    return set(due)


def _number(session: Session, planned: Sequence[_Planned]) -> None:
    """Set the number of each event among those of its batch."""
    numbers = Counter(one.batch_id for one in planned if one.batch_id is not None)
    if not numbers:
        return
    given = values_table(
        id=(Uuid(), list(numbers)),
        number=(Integer(), list(numbers.values())),
    )
    rows = session.execute(
        update(Batch)
        .where(col(Batch.id) == given.c.id)
        .values(events=col(Batch.events) + given.c.number)
        .returning(col(Batch.id), col(Batch.events))
    )
    last = dict(rows.all())
    next_ = {batch_id: last[batch_id] - number + 1 for batch_id, number in numbers.items()}
    for one in planned:
        if one.batch_id is not None:
            one.sequence = next_[one.batch_id]
            next_[one.batch_id] += 1


def _write(session: Session, planned: Sequence[_Planned]) -> list[UUID]:
    """Insert events and their deliveries; return the deliveries' ids."""
    if not planned:
        return []
    _insert_job_events(session, [one for one in planned if one.data is None])
    others = [one for one in planned if one.data is not None]
    if others:
        session.execute(
            insert(WebhookEvent),
            [
                {name: getattr(one, name) for name in _COLUMNS}
                | {"type": one.type.value, "data": dict(one.data or {})}
                for one in others
            ],
        )
    return deliveries.insert(
        session, [(one.tenant, one.id, listener) for one in planned for listener in one.listeners]
    )


_COLUMNS = ("id", "tenant", "type", "batch_id", "job_id", "sequence")


def _insert_job_events(session: Session, planned: Sequence[_Planned]) -> None:
    """Insert events whose data Postgres reads from the jobs' rows."""
    if not planned:
        return
    given = values_table(
        id=(Uuid(), [one.id for one in planned]),
        type=(String(), [one.type.value for one in planned]),
        job_id=(Uuid(), [one.job_id for one in planned]),
        sequence=(Integer(), [one.sequence for one in planned]),
    )
    rows = (
        select(
            given.c.id,
            col(Job.tenant),
            given.c.type,
            col(Job.batch_id),
            col(Job.id),
            given.c.sequence,
            JOB_DATA,
        )
        .join_from(given, Job, col(Job.id) == given.c.job_id)
        .outerjoin(Image, col(Image.id) == col(Job.image_id))
    )
    session.execute(insert(WebhookEvent).from_select([*_COLUMNS, "data"], rows))
