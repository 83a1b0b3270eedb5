"""The outbox: events written in the transaction that changes the state they tell of.

Cheap where nobody listens: one look at an index, and nothing is written.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import timedelta
from typing import Any, Self
from uuid import UUID

from sqlalchemy import (
    Integer,
    String,
    Uuid,
    case,
    func,
    insert,
    literal,
    null,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Session, col

from core.db.arrays import among, values_table
from core.db.models import Batch, Image, Job, WebhookDelivery, WebhookEvent
from core.db.models.columns import new_id
from core.domain.states import BatchState, DeliveryState, JobState
from core.errors import RETRY_HELPS
from core.webhooks.event_types import EventType
from core.webhooks.listeners import Listener, callback, listeners_of

PROGRESS_SECONDS = 5.0
"""Between two events about one batch's progress."""
MOST_REASON = 2000
"""Characters of an error's sentence that an event holds."""

OF_JOBS: Mapping[JobState, EventType] = {
    JobState.SUCCEEDED: EventType.IMAGE_COMPLETED,
    JobState.FAILED: EventType.IMAGE_FAILED,
}
"""What is told of jobs that reach a state; who cancels one knows it already."""


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


def tell(
    session: Session,
    *,
    state: JobState,
    jobs: Collection[JobChange],
    batches: Collection[BatchChange] = (),
) -> None:
    """Write the events of jobs that reached a state, and of their batches.

    The rows of jobs, images and batches are as they are after the change, the batches locked.
    """
    tenants = {job.tenant for job in jobs} | {batch.tenant for batch in batches}
    if not tenants:
        return
    endpoints = listeners_of(session, tenants)
    planned = [*_of_jobs(endpoints, state, jobs), *_of_batches(session, endpoints, batches)]
    _number(session, planned)
    _write(session, planned)


def tell_endpoints(
    session: Session, tenant: str, event: EventType, data: Mapping[str, Any], to: Sequence[Listener]
) -> list[UUID]:
    """Write an event that is about no job, if somebody wants it; give its deliveries' ids."""
    if not to:
        return []
    return _write(session, [_Planned(type=event, tenant=tenant, listeners=to, data=data)])


def _of_jobs(
    endpoints: Mapping[str, Sequence[Listener]], state: JobState, jobs: Collection[JobChange]
) -> list[_Planned]:
    event = OF_JOBS.get(state)
    if event is None:
        return []
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


_OF_BATCHES: Mapping[BatchState, EventType] = {
    BatchState.RUNNING: EventType.BATCH_PROGRESS,
    BatchState.COMPLETED: EventType.BATCH_COMPLETED,
    BatchState.CANCELED: EventType.BATCH_CANCELED,
}


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
    running = [batch.id for batch, *_ in wanted if batch.state is BatchState.RUNNING]
    due = _due_progress(session, running)
    told = [one for one in wanted if one[0].id not in running or one[0].id in due]
    counts = _counts(session, [batch.id for batch, *_ in told if batch.id not in running])
    return [
        _Planned(
            type=event,
            tenant=batch.tenant,
            listeners=listeners,
            batch_id=batch.id,
            data=_batch_data(batch, counts.get(batch.id)),
        )
        for batch, event, listeners in told
    ]


def _batch_data(batch: BatchChange, counts: Mapping[str, int] | None) -> Mapping[str, Any]:
    data = {
        "batch_id": str(batch.id),
        "name": batch.name,
        "state": batch.state.value,
        "total": batch.total_jobs,
        "finished": batch.total_jobs - batch.open_jobs,
    }
    # Counting is for the end alone: it reads every job of the batch.
    ended = {"counts": {state.value: counts.get(state, 0) for state in JobState}} if counts else {}
    return data | ended


def _due_progress(session: Session, batch_ids: Collection[UUID]) -> set[UUID]:
    """Find the batches whose progress was not told for a while, and note that it is now."""
    if not batch_ids:
        return set()
    long_ago = func.now() - timedelta(seconds=PROGRESS_SECONDS)
    told_at = func.coalesce(col(Batch.progress_at), col(Batch.created_at))
    due = session.execute(
        update(Batch)
        .where(among(Batch.id, batch_ids), told_at <= long_ago)
        .values(progress_at=func.now())
        .returning(col(Batch.id))
    ).scalars()
    return set(due)


def _counts(session: Session, batch_ids: Collection[UUID]) -> Mapping[UUID, Mapping[str, int]]:
    counts: dict[UUID, dict[str, int]] = defaultdict(dict)
    if batch_ids:
        statement = (
            select(col(Job.batch_id), col(Job.state), func.count())
            .where(among(Job.batch_id, batch_ids))
            .group_by(col(Job.batch_id), col(Job.state))
        )
        for batch_id, state, number in session.execute(statement):
            counts[batch_id][state.value] = number
    return counts


def _number(session: Session, planned: Sequence[_Planned]) -> None:
    """Give each event its place among those of its batch."""
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
    """Insert events and their deliveries; give the deliveries' ids."""
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
    return insert_deliveries(
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
            _JOB_DATA,
        )
        .join_from(given, Job, col(Job.id) == given.c.job_id)
        .outerjoin(Image, col(Image.id) == col(Job.image_id))
    )
    session.execute(insert(WebhookEvent).from_select([*_COLUMNS, "data"], rows))


def _object(*columns: Any) -> Any:
    """Build a JSON object of columns, by their names."""
    pairs = [part for column in columns for part in (column.key, column)]
    return func.jsonb_build_object(*pairs, type_=JSONB)


_RETRIED = [code for code, helps in RETRY_HELPS.items() if helps]

_JOB_DATA = func.jsonb_build_object(
    *("job_id", col(Job.id)),
    *("batch_id", col(Job.batch_id)),
    *("sku", col(Job.sku)),
    *("variant", col(Job.variant)),
    *("line", col(Job.line)),
    *("state", col(Job.state)),
    *("cache", col(Job.cache)),
    "error",
    case(
        (col(Job.error_code).is_(None), type_coerce(null(), JSONB)),
        else_=func.jsonb_build_object(
            *("code", col(Job.error_code)),
            *("message", func.left(col(Job.error_message), MOST_REASON)),
            *("retry_helps", col(Job.error_code).in_(_RETRIED)),
            type_=JSONB,
        ),
    ),
    "image",
    case(
        (col(Image.id).is_(None), type_coerce(null(), JSONB)),
        else_=_object(
            *(
                getattr(Image, name)
                for name in ("content_type", "digest", "size", "width", "height")
            )
        ),
    ),
    type_=JSONB,
)
"""What an event says of a job: its row and its image's, never the image."""


def insert_deliveries(session: Session, wanted: Sequence[tuple[str, UUID, Listener]]) -> list[UUID]:
    """Queue messages: of whose, which event to whom; give their ids."""
    if not wanted:
        return []
    ids = [new_id() for _ in wanted]
    given = values_table(
        id=(Uuid(), ids),
        tenant=(String(), [tenant for tenant, _, _ in wanted]),
        event_id=(Uuid(), [event_id for _, event_id, _ in wanted]),
        endpoint_id=(Uuid(), [listener.endpoint_id for *_, listener in wanted]),
        url=(String(), [listener.url for *_, listener in wanted]),
        queue=(Uuid(), [listener.queue for *_, listener in wanted]),
    )
    names = ["id", "tenant", "event_id", "endpoint_id", "url", "queue", "state", "attempts"]
    columns = WebhookDelivery.__table__.c  # type: ignore[attr-defined]
    values = [given.c[name] for name in names[:6]]
    session.execute(
        insert(WebhookDelivery).from_select(
            names,
            select(
                *values,
                literal(DeliveryState.PENDING, columns.state.type),
                literal(0, columns.attempts.type),
            ),
        )
    )
    return ids
