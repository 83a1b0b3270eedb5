"""What waits for one model is queued for another one instead, or failed."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, select, update
from sqlmodel import Session, col

from core.db.arrays import among
from core.db.locks import lock_generations
from core.db.models import Generation, Job
from core.db.models.transitions import change
from core.domain.image_request import ImageRequest, ModelRevision
from core.domain.image_spec import ImageSpec, ModelInput
from core.domain.states import OPEN_JOB, CacheOutcome, GenerationState, JobState
from core.errors import ModelReplacedError
from core.lifecycle.backlogs import Group, put_back
from core.lifecycle.completion import fail_where, settle_jobs
from core.lifecycle.deduplication import FOR_EVER, find_stored, join_in_flight, raise_lanes

PORTION = 500
"""Rows of one transaction."""
_USUAL = (ModelInput(), ModelInput(embeds_guidance=True))
"""What models read that were taught no tokens."""


class RequeueOutcome(StrEnum):
    """What became of a generation that waited for another model."""

    MOVED = "moved"
    """It waits for the new model."""
    STORED = "stored"
    """The new model had made its image before."""
    JOINED = "joined"
    """The same work was queued or running for the new model."""
    FAILED = "failed"
    """The new model cannot make it, or nobody wanted it to be made."""


@dataclass(frozen=True, kw_only=True)
class _Target:
    """What a generation becomes for another model."""

    row: Generation
    wanted: ImageRequest

    @property
    def exact(self) -> str:
        return self.wanted.fingerprint()

    @property
    def fingerprint(self) -> str:
        return self.wanted.approximate_fingerprint() if self.wanted.approximate else self.exact


def fail_some(
    session: Session, revision: str, *, error: ModelReplacedError, limit: int = PORTION
) -> int:
    """Fail queued generations of a revision, and their jobs; those that run go on.

    Returns:
        How many generations were failed; 0: none is left.
    """
    ids = lock_generations(session, *_queued(revision), limit=limit)
    return len(fail_where(session, [among(Generation.id, ids)], error))


def move_some(
    session: Session,
    revision: str,
    *,
    to: ModelRevision,
    refuses: Callable[[ImageSpec], str | None] = lambda _: None,
    ttl_seconds: float = FOR_EVER,
    limit: int = PORTION,
) -> Mapping[RequeueOutcome, int]:
    """Queue generations of a revision for another one, as if they had been asked for now.

    Those that run go on. An image that the other model has made answers at once, the same work in
    flight is joined.

    Args:
        session: An open transaction.
        revision: What they wait for.
        to: What they shall wait for.
        refuses: Says why the other model cannot make an image, in the words after "which"; None:
            it can.
        ttl_seconds: The age, in seconds, from which a stored image answers no more.
        limit: Most that are moved.

    Returns:
        What became of how many; nothing: none is left.

    Raises:
        sqlalchemy.exc.IntegrityError: Somebody asked for the same at the same moment; call again.
    """
    ids = lock_generations(session, *_queued(revision), limit=limit)
    rows = (
        session.execute(
            select(Generation)
            .where(among(Generation.id, ids))
            .order_by(col(Generation.id))
            .execution_options(populate_existing=True)
        )
        .scalars()
        .all()
    )
    refused: dict[UUID, str] = {
        row.id: reason for row in rows if (reason := refuses(row.spec)) is not None
    }
    for reason in set(refused.values()):
        ids = [one for one, own in refused.items() if own == reason]
        fail_where(session, [among(Generation.id, ids)], _unsuited(to.revision, reason))
    targets = _targets(session, [row for row in rows if row.id not in refused], to)
    outcomes = Counter({RequeueOutcome.FAILED: len(refused)})
    for tenant in sorted({one.row.tenant for one in targets}):
        outcomes += _move(
            session, tenant, [one for one in targets if one.row.tenant == tenant], ttl_seconds
        )
    return +outcomes


def _queued(revision: str) -> tuple[ColumnElement[bool], ...]:
    return (
        col(Generation.state) == GenerationState.QUEUED,
        col(Generation.bundle_revision) == revision,
    )


def _unsuited(revision: str, reason: str) -> ModelReplacedError:
    return ModelReplacedError(
        f"The model that was to make this image was replaced by {revision[:12]}, which {reason}"
    )


def _targets(session: Session, rows: Sequence[Generation], to: ModelRevision) -> list[_Target]:
    variants: dict[UUID, int] = {}
    jobs = select(col(Job.generation_id), col(Job.variant)).where(
        among(Job.generation_id, [row.id for row in rows]), col(Job.state).in_(OPEN_JOB)
    )
    for generation_id, variant in session.execute(jobs):
        if generation_id is not None:
            variants.setdefault(generation_id, variant)
    return [_Target(row=row, wanted=_wanted(row, variants.get(row.id, 1), to)) for row in rows]


def _wanted(row: Generation, variant: int, to: ModelRevision) -> ImageRequest:
    """Return what was asked for: whether with a seed of the caller's, a fingerprint says."""
    derived = ImageRequest(
        spec=replace(row.spec, seed=None),
        model=to,
        variant=variant,
        approximate=row.approximate_scope is not None,
    )
    # What the old model reads is gone with it.
    asked = (replace(to, revision=row.bundle_revision, reads=one) for one in (to.reads, *_USUAL))
    exact = row.exact_fingerprint or row.fingerprint
    if any(replace(derived, model=one).fingerprint() == exact for one in asked):
        return derived
    seed = (row.spec.noise_seed - (variant - 1)) % 2**63
    return replace(derived, spec=replace(row.spec, seed=seed))


def _move(
    session: Session, tenant: str, targets: Sequence[_Target], ttl_seconds: float
) -> Counter[RequeueOutcome]:
    alone = [one for one in targets if not one.row.reusable]
    shared = [one for one in targets if one.row.reusable]
    digests = {digest for one in shared for digest in (one.exact, one.fingerprint)}
    stored = find_stored(session, tenant, digests, ttl_seconds=ttl_seconds)
    flying = join_in_flight(session, tenant, sorted({one.fingerprint for one in shared}))
    outcomes: Counter[RequeueOutcome] = Counter()
    moved = alone
    for one in shared:
        image = stored.get(one.exact) or stored.get(one.fingerprint)
        if image is not None:
            _answer(session, one, image.image_id)
            outcomes[RequeueOutcome.STORED] += 1
        elif one.fingerprint in flying:
            _join(session, one, flying[one.fingerprint])
            outcomes[RequeueOutcome.JOINED] += 1
        else:
            moved.append(one)
            # Two that differed for the old model may be the same for this one.
            flying[one.fingerprint] = one.row.id
    _queue(session, moved)
    outcomes[RequeueOutcome.MOVED] += len(moved)
    return outcomes


def _answer(session: Session, target: _Target, image_id: UUID) -> None:
    _rename_jobs(session, target, {})
    settle_jobs(
        session,
        [col(Job.generation_id) == target.row.id],
        JobState.SUCCEEDED,
        image_id=image_id,
        cache=CacheOutcome.EXACT,
    )
    _cancel(session, [target.row.id])


def _join(session: Session, target: _Target, other: UUID) -> None:
    _rename_jobs(session, target, {"generation_id": other, "cache": CacheOutcome.COALESCED})
    raise_lanes(session, [other], target.row.lane)
    _cancel(session, [target.row.id])


def _cancel(session: Session, ids: Collection[UUID]) -> None:
    session.execute(change(Generation, GenerationState.CANCELED).where(among(Generation.id, ids)))


def _queue(session: Session, targets: Iterable[_Target]) -> None:
    groups: dict[Group, list[UUID]] = defaultdict(list)
    for one in targets:
        row = one.row
        session.execute(
            update(Generation)
            .where(col(Generation.id) == row.id)
            .values(
                bundle_revision=one.wanted.model.revision,
                fingerprint=one.fingerprint,
                seed=one.wanted.decided(one.exact).noise_seed,
                approximate_scope=one.wanted.scope() if one.wanted.approximate else None,
                exact_fingerprint=one.exact if one.wanted.approximate else None,
                attempts=0,
            )
        )
        _rename_jobs(session, one, {})
        group = (row.lane, row.tenant, row.api_key_id, one.wanted.model.revision)
        groups[group].append(row.id)
    for group, ids in groups.items():
        put_back(session, group, ids)


def _rename_jobs(session: Session, target: _Target, values: Mapping[str, object]) -> None:
    """Write what their image is now, into the open jobs of a generation."""
    session.execute(
        update(Job)
        .where(col(Job.generation_id) == target.row.id, col(Job.state).in_(OPEN_JOB))
        .values(
            fingerprint=target.fingerprint,
            model=target.wanted.model.name,
            bundle_revision=target.wanted.model.revision,
            seed=target.wanted.decided(target.exact).noise_seed,
            **values,
        )
    )
