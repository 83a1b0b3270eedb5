"""What each key has in a lane: the numbers that fair shares are reckoned from."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlmodel import Session

from core.domain.lanes import FIRST, Lane
from core.lifecycle.serving import abandoned_sql

# Jumps from key to key through ix_generation_queued, whatever number of rows each has, adds those
# that have backlogs of models that workers serve, and counts the rows of each only as far as it
# matters: those to send as far as the tenant's window has room. Rows of a sheet that comes in are
# in neither until its commit. Their order is the index's own, said so that no plan reads the table
# instead: where most of it is queued, a planner expects to find a few such rows soon.
_LOADS = """
with recursive jumper(lane, tenant, api_key_id) as (
    (
        select lane, tenant, api_key_id from generation
        where {queued} {scope} order by lane, tenant, api_key_id limit 1
    )
    union all
    select next.lane, next.tenant, next.api_key_id
    from jumper, lateral (
        select lane, tenant, api_key_id from generation
        where {queued} {scope} and {further}
        order by lane, tenant, api_key_id limit 1
    ) next
),
queuer as (
    select * from jumper
    union select lane, tenant, api_key_id from backlog where not {abandoned} {scope}
),
published as (
    select queuer.*, sent.number as sent, sent.first as first,
        greatest(:few, :most_due - sum(sent.number) over (partition by lane, tenant)) as most
    from queuer, lateral (
        select count(*) as number, count(*) filter (where published_first) as first from (
            select published_first from generation
            where {queued} and lane = queuer.lane and tenant = queuer.tenant
            and api_key_id = queuer.api_key_id and published_at is not null
            order by published_at, id limit :most_sent
        ) message
    ) sent
),
waiting as (
    select published.*,
        cast(least(due.number + backlogs.number, most) as bigint) as due
    from published, lateral (
        select count(*) filter (where {due}) as number from (
            select not_before, created_at from generation
            where {queued} and lane = published.lane and tenant = published.tenant
            and api_key_id = published.api_key_id and published_at is null
            order by published_at, id limit :most_looked_at
        ) unpublished
    ) due, lateral (
        select coalesce(sum(rest.number), 0) as number from (
            select id from backlog
            where lane = published.lane and tenant = published.tenant
            and api_key_id = published.api_key_id and not {abandoned}
            order by id limit most
        ) backlog, lateral (
            select count(*) as number from (
                select from generation
                where state = 'queued' and backlog_id is not null and backlog_id = backlog.id
                order by id limit most
            ) generation
        ) rest
    ) backlogs
),
running as (
    select lane, tenant, api_key_id, count(*) as running,
        count(*) filter (where published_first) as first
    from generation where state = 'running' {scope} group by lane, tenant, api_key_id
)
select lane, tenant, api_key_id, coalesce(sent, 0) as sent, coalesce(due, 0) as due,
    coalesce(running, 0) as running,
    coalesce(waiting.first, 0) + coalesce(running.first, 0) as first
from waiting full join running using (lane, tenant, api_key_id)
order by lane, tenant, api_key_id
"""

_QUEUED = "state = 'queued' and backlog_id is null"

DUE = "coalesce(not_before, created_at + make_interval(secs => :republish_seconds)) <= now()"
"""Whether the housekeeping may send a row's message. One that was never claimed has no `not_before`
where its own request publishes it."""

_ABANDONED = abandoned_sql("backlog.bundle_revision")

_EVERYBODY = text(
    _LOADS.format(
        queued=_QUEUED,
        abandoned=_ABANDONED,
        scope="",
        further="(lane, tenant, api_key_id) > (jumper.lane, jumper.tenant, jumper.api_key_id)",
        due=DUE,
    )
)
_TENANT = text(
    _LOADS.format(
        queued=_QUEUED,
        abandoned=_ABANDONED,
        scope="and lane = :lane and tenant = :tenant",
        # Beside equal ones a comparison of rows would be no place in the index to begin at.
        further="api_key_id > jumper.api_key_id",
        due="not_before <= now()",
    )
)

_LOOKED_AT = 1000
"""So many of a key's queued ones without a message, the oldest, are asked whether they are due."""
_FEW = FIRST + 1
"""As far as it is counted what a key has: one more is more than next to nothing."""

_BOUNDS = {"few": _FEW, "most_looked_at": _LOOKED_AT}


@dataclass(frozen=True, kw_only=True)
class Load:
    """The generations of a key in a lane, counted as far as it matters."""

    lane: Lane
    tenant: str
    api_key_id: UUID
    sent: int
    """Queued ones that have messages."""
    due: int
    """Queued ones that may get theirs now, as far as the tenant's window has room."""
    running: int
    first: int
    """Of those sent or running, the ones whose message went to the lane's first queue."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.sent + self.due + self.running

    @property
    def small(self) -> bool:
        """Whether the key has next to nothing in the lane."""
        return self.total <= FIRST


def load_everywhere(session: Session, *, window: int, republish_seconds: float) -> Sequence[Load]:
    """Count what each key has in each lane; the keys of a tenant in a lane follow each other.

    Args:
        session: An open transaction.
        window: How far queued generations are counted.
        republish_seconds: How long a fresh row may wait for the request that inserted it to
            publish it.
    """
    counted = {"most_sent": window, "most_due": window} | _BOUNDS
    asked = {"republish_seconds": republish_seconds}
    return [_load(row) for row in session.execute(_EVERYBODY, counted | asked).mappings()]


def load_of_tenant(session: Session, tenant: str, lane: Lane, *, window: int) -> Sequence[Load]:
    """Count what each of a tenant's keys has in a lane, without what requests are about to send.

    Args:
        session: An open transaction.
        tenant: Whose.
        lane: Where.
        window: How far those with messages are counted.
    """
    counted = {"most_sent": window, "most_due": 0} | _BOUNDS
    asked = {"tenant": tenant, "lane": lane.value}
    return [_load(row) for row in session.execute(_TENANT, counted | asked).mappings()]


def _load(row: RowMapping) -> Load:
    return Load(**dict(row) | {"lane": Lane(row["lane"])})


def busy_in_first(loads: Sequence[Load]) -> int:
    """Count what a tenant's keys have in a lane of what the first queue is bounded by.

    All that those have who have next to nothing; and of the others what went to the first queue
    before they had more. So many keys get no more of it than one.
    """
    return sum(load.total if load.small else load.first for load in loads)
