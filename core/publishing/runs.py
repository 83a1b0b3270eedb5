"""Publish runs: asked for, claimed with a lease, and written under its fence."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import exists, func, select, update
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from core.db.models import Batch, Job, PublishRun, PublishTarget
from core.db.models.transitions import change
from core.domain.states import PublishState
from core.domain.stores import Placement, StoreKind
from core.errors import ConflictError, InvalidRequestError, NotFoundError
from core.pictures.formats import ORIGINAL

ACTIVE = (PublishState.PLANNING, PublishState.RUNNING, PublishState.UNDOING)
"""A publisher has something to do."""


class LostClaimError(Exception):
    """Somebody else has claimed the run since."""


@dataclass(frozen=True, kw_only=True)
class RunClaim:
    """A claimed run, with what its store needs."""

    run_id: UUID
    attempt: int
    """After another publisher claimed it, this number no longer matches."""
    failures: int
    tenant: str
    batch_id: UUID
    state: PublishState
    placement: Placement
    channel: str | None
    """Whose renditions are published; None: the images themselves."""
    target_id: UUID
    kind: StoreKind
    address: str
    credentials: bytes | None
    """Encrypted; None: the target was deleted."""


def create(
    session: Session,
    tenant: str,
    target: PublishTarget,
    batch_id: UUID,
    placement: Placement,
    channel: str | None = None,
) -> PublishRun:
    """Insert a run, whose plan is made next; nothing is changed before it is started.

    Raises:
        NotFoundError: The tenant has no such batch.
        InvalidRequestError: The batch was submitted without that channel.
    """
    owner = select(col(Batch.id)).where(
        col(Batch.id) == batch_id, col(Batch.tenant) == tenant, col(Batch.deleted_at).is_(None)
    )
    if session.execute(owner).scalar_one_or_none() is None:
        raise NotFoundError(f"There is no batch {batch_id} here, or it belongs to another key.")
    if channel is not None:
        _check_channel(session, batch_id, channel)
    run = PublishRun(
        tenant=tenant,
        target_id=target.id,
        batch_id=batch_id,
        placement=placement,
        channel=channel,
    )
    session.add(run)
    session.flush()
    session.refresh(run)
    return run


def _check_channel(session: Session, batch_id: UUID, channel: str) -> None:
    """Check that a batch was submitted with a channel, which then has taken its images."""
    statement = select(col(Job.files)).where(col(Job.batch_id) == batch_id).limit(1)
    files = session.execute(statement).scalar_one_or_none() or {}
    if channel in files:
        return
    there = ", ".join(sorted(set(files) - {ORIGINAL})) or "none"
    raise InvalidRequestError(
        f"The batch was submitted without the channel {channel}, so that nobody knows whether that "
        f"takes its images. Its channels: {there}. Leave `channel` out to publish the images "
        "as they were made."
    )


def find(session: Session, tenant: str, run_id: UUID, *, lock: bool = False) -> PublishRun:
    """Find a run; `lock` keeps others from changing it until the transaction ends.

    Raises:
        NotFoundError: The tenant has no such run.
    """
    statement = select(PublishRun).where(
        col(PublishRun.id) == run_id, col(PublishRun.tenant) == tenant
    )
    if lock:
        statement = statement.with_for_update()
    found: PublishRun | None = session.execute(statement).scalar_one_or_none()
    if found is None:
        raise NotFoundError(f"There is no publish run {run_id} here. GET /v1/publishes lists them.")
    return found


def list_them(
    session: Session, tenant: str, *, before: UUID | None, limit: int
) -> Sequence[PublishRun]:
    """Return a tenant's runs, newest first."""
    statement = select(PublishRun).where(col(PublishRun.tenant) == tenant)
    if before is not None:
        statement = statement.where(col(PublishRun.id) < before)
    statement = statement.order_by(col(PublishRun.id).desc()).limit(limit)
    return session.execute(statement).scalars().all()


def start(session: Session, run: PublishRun) -> None:
    """Let a locked run change the store as it was planned.

    Raises:
        ConflictError: It is not planned, or its target was deleted.
    """
    _move(session, run, PublishState.RUNNING, "start")


def undo(session: Session, run: PublishRun) -> None:
    """Let a locked run give the store back what it had.

    Raises:
        ConflictError: It has changed nothing, or its target was deleted.
    """
    _move(session, run, PublishState.UNDOING, "undo")


_WHY_NOT = {
    PublishState.PLANNING: "its plan is being made; ask again in a moment",
    PublishState.PLANNED: "it has changed nothing yet",
    PublishState.RUNNING: "it runs already",
    PublishState.PUBLISHED: "it is done",
    PublishState.UNDOING: "it is being undone already",
    PublishState.UNDONE: "it was undone",
    PublishState.FAILED: "its plan could not be made; make a new one",
}


def _move(session: Session, run: PublishRun, target: PublishState, verb: str) -> None:
    store = session.get_one(PublishTarget, run.target_id)
    if store.deleted_at is not None:
        raise ConflictError(
            f"The run cannot {verb}, because its target was deleted; nothing has its credentials."
            if verb == "start"
            else "The run cannot be undone, because its target was deleted with its credentials."
        )
    moved = session.execute(
        change(PublishRun, target)
        .where(col(PublishRun.id) == run.id)
        # Whoever has it sees the new number at its next write, and stops.
        .values(
            error=None,
            failures=0,
            not_before=func.now(),
            attempts=col(PublishRun.attempts) + 1,
        )
        .returning(col(PublishRun.id))
    ).scalar_one_or_none()
    if moved is None:
        what = "started" if verb == "start" else "undone"
        raise ConflictError(
            f"The run cannot be {what}: {_WHY_NOT[run.state]}.", state=run.state.value
        )
    session.refresh(run)


def claim(session: Session, *, most: int, lease_seconds: float) -> Sequence[RunClaim]:
    """Claim runs that are due: of each target the oldest, so that they never meet there.

    Args:
        session: An open transaction.
        most: Of all targets.
        lease_seconds: After this time without a write others may claim them.
    """
    earlier = aliased(PublishRun)
    first_of_target = ~exists().where(
        col(earlier.target_id) == col(PublishRun.target_id),
        col(earlier.id) < col(PublishRun.id),
        col(earlier.state).in_(ACTIVE),
    )
    due = session.execute(
        select(PublishRun, PublishTarget)
        .join(PublishTarget, col(PublishTarget.id) == col(PublishRun.target_id))
        .where(
            col(PublishRun.state).in_(ACTIVE),
            col(PublishRun.not_before) <= func.now(),
            first_of_target,
        )
        .order_by(col(PublishRun.not_before), col(PublishRun.id))
        .limit(most)
        .with_for_update(of=PublishRun, skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    claims = []
    for run, target in due:
        run.attempts += 1
        run.not_before = func.now() + timedelta(seconds=lease_seconds)
        claims.append(
            RunClaim(
                run_id=run.id,
                attempt=run.attempts,
                failures=run.failures,
                tenant=run.tenant,
                batch_id=run.batch_id,
                state=run.state,
                placement=run.placement,
                channel=run.channel,
                target_id=target.id,
                kind=target.kind,
                address=target.address,
                credentials=target.credentials,
            )
        )
    session.flush()
    return claims


def hold(session: Session, claim: RunClaim, *, lease_seconds: float) -> None:
    """Keep a claim; what is written in the same transaction is written by its holder alone.

    Raises:
        LostClaimError: Somebody else has it.
    """
    held = session.execute(
        update(PublishRun)
        .where(
            col(PublishRun.id) == claim.run_id,
            col(PublishRun.attempts) == claim.attempt,
            col(PublishRun.state) == claim.state,
        )
        .values(not_before=func.now() + timedelta(seconds=lease_seconds), error=None, failures=0)
        .returning(col(PublishRun.id))
    ).scalar_one_or_none()
    if held is None:
        raise LostClaimError


def finish(session: Session, claim: RunClaim, state: PublishState) -> None:
    """Record that a claimed run has done what its state asks for."""
    session.execute(change(PublishRun, state).where(col(PublishRun.id) == claim.run_id))


def fail(session: Session, claim: RunClaim, error: str) -> None:
    """Give a plan up."""
    session.execute(
        change(PublishRun, PublishState.FAILED)
        .where(col(PublishRun.id) == claim.run_id, col(PublishRun.attempts) == claim.attempt)
        .values(error=error)
    )


def postpone(session: Session, claim: RunClaim, error: str, *, seconds: float) -> None:
    """Leave a run for later; nothing of it is lost. A claim that was lost changes nothing."""
    session.execute(
        update(PublishRun)
        .where(col(PublishRun.id) == claim.run_id, col(PublishRun.attempts) == claim.attempt)
        .values(
            error=error,
            failures=col(PublishRun.failures) + 1,
            not_before=func.now() + timedelta(seconds=seconds),
        )
    )
