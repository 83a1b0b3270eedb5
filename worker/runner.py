"""One message: claim the generation, compute it, store it, record it.

Whatever goes wrong, the generation is left in a state from which somebody goes on: it is finished,
it is back in the queue, or its lease runs out and the sweeper takes it back.
"""

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeVar
from uuid import UUID

import stamina
import structlog
from sqlalchemy import func
from sqlmodel import Session, col

from catalogue.renditions.store import Renditions
from core.cache_metrics import Level, Outcome, count
from core.db.engine import DATABASE_ERRORS, Database
from core.db.models import Image, Job
from core.domain.states import GenerationState
from core.errors import (
    DeadlineExceededError,
    GenerationFailedError,
    GenerationImpossibleError,
    PackshotError,
    first_line,
)
from core.failures import count_failed
from core.lifecycle import cancellation, claims, completion, holds
from core.lifecycle.claims import Claim
from core.lifecycle.completion import Finished
from core.pictures.credentials import Credentials
from core.storage import STORAGE_ERRORS, Storage, StoredObject
from worker.approximate.cache import NOTHING, ApproximateCache, StartPlan
from worker.encoding import ORIGINAL, encode_original
from worker.group_commit import LOCKED, GroupCommit, Locked
from worker.leases import Lease, Leases
from worker.loaded import LoadedModel
from worker.metrics import ATTEMPTS, IMAGE_LATENCY_SECONDS, IMAGE_SECONDS, STAGE_SECONDS
from worker.registry import ModelNotLoadedError
from worker.renditions import make_known
from worker.rows import (
    RowCanceledError,
    RowExpiredError,
    RowFailedError,
    RowHandedBackError,
    RowImpossibleError,
    RowRequest,
    RowResult,
    Ticket,
)

log = structlog.get_logger(__name__)

Value = TypeVar("Value")


class Delivery(Enum):
    """What becomes of the message, and what monitors are told of its task (`worker.tasks`).

    All but the last are acknowledged: what is left to do, if anything, does not need the message.
    """

    DONE = "succeeded"
    """The image is stored, by whomever."""
    FAILED = "failed"
    """The generation was given up, by whomever."""
    CANCELED = "canceled"
    """Nobody wants it any more."""
    LATER = "postponed"
    """It is queued, and the sweeper sends another message."""
    ELSEWHERE = "elsewhere"
    """Another worker has it."""
    AGAIN = "handed_back"
    """Back to its lane: the generation is queued, or could not be looked at."""


for _delivery in Delivery:
    # There from the start: what never happened is 0 for an alert, and not unknown.
    ATTEMPTS.labels(outcome=_delivery.value)


@dataclass(frozen=True)
class _Foreign:
    """A generation that was promised from a model that is not in memory."""

    revision: str


class RowModels(Protocol):
    """What the runner needs of the worker's models."""

    def claimable(self) -> Collection[str]:
        """Return the revisions of which rows can begin now."""

    def want(self, revision: str) -> bool:
        """Have a model loaded that a row asks for; return whether this worker serves it."""

    def using(self, revision: str) -> AbstractContextManager[LoadedModel]:
        """Keep a model in memory while the block runs.

        Raises:
            ModelNotLoadedError: It is not there.
        """


class RowEngine(Protocol):
    """What the runner needs of the engine."""

    def submit(self, request: RowRequest) -> Ticket:
        """Ask for an image."""


class Runner:
    """Runs messages, one in each of the pool's threads."""

    def __init__(
        self,
        *,
        database: Database,
        storage: Storage,
        engine: RowEngine,
        models: RowModels,
        leases: Leases,
        max_attempts: int,
        approximate: ApproximateCache | None = None,
        renditions: Renditions | None = None,
        credentials: Credentials | None = None,
        patience_seconds: float = 60.0,
        pause_seconds: float = 2.0,
    ) -> None:
        """Wire a runner.

        Args:
            database: Where generations are claimed and recorded.
            storage: Where images go.
            engine: What computes them.
            models: The engine's: what was promised from another one is left to a worker that has
                it, what was promised from one that is not in memory waits until it is.
            leases: Those of this process.
            max_attempts: Times a generation is computed before it fails.
            approximate: Where rows that agree to it may find a beginning; None: nowhere.
            renditions: Makes what channels want of an image; None: somebody else does.
            credentials: What signs images; None: they are not signed.
            patience_seconds: How long Postgres or S3 may be away before an image is given up; it
                is then queued again, and the attempt does not count.
            pause_seconds: Before a failed image's second attempt, twice that before its third.
        """
        self._database = database
        self._storage = storage
        self._engine = engine
        self._leases = leases
        self._max_attempts = max_attempts
        self._models = models
        self._approximate = approximate
        self._renditions = renditions
        self._credentials = credentials
        self._patience_seconds = patience_seconds
        self._pause_seconds = pause_seconds
        self._stopping = threading.Event()
        self._foreign: set[str] = set()
        """Bundles of which it was said that this worker does not have them."""
        self._claims: GroupCommit[UUID, Claim | _Foreign | None] = GroupCommit(
            database, self._claim_all
        )
        self._recordings: GroupCommit[Finished, int | None] = GroupCommit(database, _record_all)

    def stop(self) -> None:
        """Begin nothing more: further messages go back at once."""
        self._stopping.set()

    def run(self, generation_id: UUID) -> Delivery:
        """Do what one message asks for, and say what becomes of it."""
        if self._stopping.is_set():
            return Delivery.AGAIN
        with structlog.contextvars.bound_contextvars(generation=str(generation_id)):
            try:
                claim = self._claim(generation_id)
            except Exception:
                log.exception("not claimed: its message goes back")
                self._stopping.wait(self._pause_seconds)
                return Delivery.AGAIN
            if isinstance(claim, _Foreign):
                return self._leave_foreign(claim)
            if claim is None:
                # Finished, cancelled, or somebody else's since its message was sent. Should that
                # somebody die, its lease runs out and the sweeper sends another message.
                return self._found(generation_id)
            with structlog.contextvars.bound_contextvars(**_names(claim)):
                delivery = self._hold(claim)
        ATTEMPTS.labels(outcome=delivery.value).inc()
        return delivery

    def _hold(self, claim: Claim) -> Delivery:
        with self._leases.holding(claim) as lease:
            if lease is None:
                return self._postpone(claim, "an earlier claim of it is still in the engine")
            return self._work(lease)

    def _work(self, lease: Lease) -> Delivery:
        claim = lease.claim
        try:
            return self._compute_and_record(lease)
        except (RowHandedBackError, RowCanceledError, ModelNotLoadedError) as error:
            log.info("left the engine", reason=str(error))
            # A cancelled row, or one that another worker has, is not ours to hand back. If the
            # claim holds after all (an earlier claim of the same image was meant), it goes on.
            return self._hand_back(claim)
        except RowExpiredError:
            return self._expire(claim)
        except STORAGE_ERRORS as error:  # never the image's fault
            return self._postpone(claim, f"S3 at {self._storage.address}: {error}")
        except DATABASE_ERRORS as error:
            return self._postpone(claim, f"Postgres: {error}")
        except Exception as error:
            return self._fail(claim, error)

    # The way of one image

    def _claim(self, generation_id: UUID) -> Claim | _Foreign | None:
        return self._patiently(
            DATABASE_ERRORS,
            lambda: self._claims.run(generation_id),
            unless=self._stopping.is_set,
        )

    def _claim_all(
        self, session: Session, ids: Sequence[UUID]
    ) -> Sequence[Claim | Locked | _Foreign | None]:
        owner, lease_seconds = self._leases.owner, self._leases.lease_seconds
        revisions = self._models.claimable()
        claimed = claims.claim(
            session,
            ids,
            owner=owner,
            lease_seconds=lease_seconds,
            revisions=revisions,
            skip_locked=True,
        )
        others = [one for one in ids if one not in claimed]
        foreign: Mapping[UUID, str] = {}
        locked: Collection[UUID] = ()
        if others:
            foreign = claims.put_off_foreign(
                session, others, revisions=revisions, delay_seconds=self._pause_seconds
            )
            locked = claims.claimable(session, others, revisions)
        found: dict[UUID, Claim | Locked | _Foreign] = {
            **dict.fromkeys(locked, LOCKED),
            **{identity: _Foreign(revision) for identity, revision in foreign.items()},
        }
        # Of two messages for one generation, one gets the claim.
        return [found.get(identity) or claimed.pop(identity, None) for identity in ids]

    def _leave_foreign(self, foreign: _Foreign) -> Delivery:
        """Leave an image to a worker that has its model, or to this one when it is loaded."""
        if self._models.want(foreign.revision):
            return Delivery.LATER
        if foreign.revision not in self._foreign:
            self._foreign.add(foreign.revision)
            log.warning(
                "images left to workers with another model: start one that has it, or "
                "`packshot model requeue`",
                wanted=foreign.revision[:12],
                ours=", ".join(sorted(one[:12] for one in self._models.claimable())),
            )
        # While other workers take messages out of the same queue, this thread lets them.
        self._stopping.wait(self._pause_seconds / 8)
        return Delivery.LATER

    def _compute_and_record(self, lease: Lease) -> Delivery:
        claim = lease.claim
        with self._models.using(claim.bundle_revision) as model:
            plan = self._approximate.plan(claim, model) if self._approximate else NOTHING
            result = self._engine.submit(_request(claim, model, plan)).result()
        lease.computed = True
        _count_features(result)
        body = encode_original(result.image, self._credentials)
        with STAGE_SECONDS.labels("store").time():
            image = _image(claim, plan, self._store(lease, body))
        finished = Finished(
            claim=claim,
            image=image,
            seconds=result.seconds,
            approximation=plan.approximation,
        )
        with STAGE_SECONDS.labels("record").time():
            jobs = self._patiently(DATABASE_ERRORS, lambda: self._recordings.run(finished))
        if jobs is None:
            log.info("image not recorded: its claim ended while it was computed")
            return self._found(claim.generation_id)
        _count_joined(claim, jobs, result.seconds)
        IMAGE_SECONDS.labels(lane=claim.lane.value).observe(result.seconds)
        IMAGE_LATENCY_SECONDS.labels(lane=claim.lane.value).observe(result.latency_seconds)
        log.info("image stored", seconds=round(result.seconds, 2), attempt=claim.attempt)
        if self._approximate:
            _try_beside("latents not kept", self._approximate.learn, claim, plan, result)
        if self._renditions:
            _try_beside(
                "renditions not made", make_known, self._renditions, image, claim.channels, body
            )
        return Delivery.DONE

    def _store(self, lease: Lease, body: bytes) -> StoredObject:
        """Store the image; while S3 is away it is kept in memory, and tried again."""
        claim = lease.claim
        return self._patiently(
            STORAGE_ERRORS,
            lambda: self._storage.put_image(
                body,
                tenant=claim.tenant,
                fingerprint=claim.fingerprint,
                extension=ORIGINAL.extension,
                content_type=ORIGINAL.content_type,
                generation_id=claim.generation_id,
            ),
            unless=lambda: lease.lost,
        )

    # The ways out

    def _hand_back(self, claim: Claim) -> Delivery:
        """Queue it again, untouched, with the same message."""
        return self._leave(
            claim, Delivery.AGAIN, lambda session: holds.hand_back(session, claim, published=True)
        )

    def _postpone(self, claim: Claim, reason: str) -> Delivery:
        """Queue it again for later, untouched: the sweeper sends another message."""
        log.warning("image postponed", reason=reason)
        delay_seconds = self._pause_seconds * 2**self._max_attempts
        return self._leave(
            claim,
            Delivery.LATER,
            lambda session: holds.hand_back(
                session, claim, published=False, delay_seconds=delay_seconds
            ),
        )

    def _expire(self, claim: Claim) -> Delivery:
        """Fail the waiters whose deadline passed; queue it again for those who still wait."""
        error = DeadlineExceededError()
        late = [col(Job.generation_id) == claim.generation_id, col(Job.deadline_at) <= func.now()]
        unwanted: Sequence[UUID] = ()

        def expire(session: Session) -> bool:
            nonlocal unwanted
            unwanted = cancellation.detach_late(
                session, late, error_code=error.code, error_message=error.detail
            )
            return holds.hand_back(session, claim, published=True)

        delivery = self._leave(claim, Delivery.AGAIN, expire)
        if unwanted and delivery is Delivery.CANCELED:
            count_failed(DeadlineExceededError)
        return delivery

    def _fail(self, claim: Claim, error: Exception) -> Delivery:
        """Count the attempt: try again later, alone, or give up."""
        log.error("attempt failed", attempt=claim.attempt, exc_info=error)
        failure = self._final(claim, error)
        if failure:
            return self._leave(
                claim,
                Delivery.FAILED,
                lambda session: completion.fail(session, claim, failure),
                error=type(failure),
            )
        delay_seconds = self._pause_seconds * 2 ** (claim.attempt - 1)
        return self._leave(
            claim,
            Delivery.LATER,
            lambda session: holds.retry_later(session, claim, delay_seconds=delay_seconds),
        )

    def _final(self, claim: Claim, error: Exception) -> PackshotError | None:
        """Say why it is given up; None where another attempt may bring it."""
        if isinstance(error, RowImpossibleError):
            return GenerationImpossibleError(f"The model cannot make this image: {_reason(error)}.")
        if claim.attempt < self._max_attempts:
            return None
        return GenerationFailedError(
            f"The model failed on this image {claim.attempt} times ({_reason(error)}); "
            "the worker's log has the traceback."
        )

    def _leave(
        self,
        claim: Claim,
        left: Delivery,
        transaction: Callable[[Session], bool],
        *,
        error: type[PackshotError] = GenerationFailedError,
    ) -> Delivery:
        """Give a claim up; where it held no more, say how its generation stands."""

        def leave() -> bool:
            with self._database.session() as session:
                return transaction(session)

        try:
            if self._patiently(DATABASE_ERRORS, leave):
                if left is Delivery.FAILED:
                    count_failed(error)
                return left
        except Exception:
            log.exception("claim not given up: its lease runs out, then it is queued again")
            return Delivery.LATER
        return self._found(claim.generation_id)

    def _found(self, generation_id: UUID) -> Delivery:
        """Say how a generation stands that is not ours."""
        try:
            with self._database.session() as session:
                state = holds.state_of(session, generation_id)
        except DATABASE_ERRORS as error:
            log.info("not looked at", reason=_reason(error))
            return Delivery.ELSEWHERE
        return _STANDS[state] if state else Delivery.ELSEWHERE

    # Patience

    def _patiently(
        self,
        errors: tuple[type[Exception], ...],
        work: Callable[[], Value],
        *,
        unless: Callable[[], bool] = lambda: False,
    ) -> Value:
        """Try until it works, our patience ends, or `unless` says that it is of no use."""
        try:
            return work()
        except errors:
            if unless():
                raise
        for attempt in stamina.retry_context(
            on=lambda error: isinstance(error, errors) and not unless(),
            attempts=None,
            timeout=self._patience_seconds,
        ):
            with attempt:
                return work()
        raise AssertionError("stamina raises the last error")


_STANDS = {
    GenerationState.QUEUED: Delivery.LATER,
    GenerationState.RUNNING: Delivery.ELSEWHERE,
    GenerationState.SUCCEEDED: Delivery.DONE,
    GenerationState.FAILED: Delivery.FAILED,
    GenerationState.CANCELED: Delivery.CANCELED,
}


def _request(claim: Claim, model: LoadedModel, plan: StartPlan) -> RowRequest:
    deadline = None
    if claim.deadline_at is not None:
        # The time left by Postgres's clock, counted from now by ours: never early.
        left = (claim.deadline_at - claim.claimed_at).total_seconds()
        deadline = time.monotonic() + left
    return RowRequest(
        identity=claim.generation_id,
        spec=claim.spec,
        lane=claim.lane,
        revision=model.revision,
        tenant=claim.tenant,
        api_key_id=claim.api_key_id,
        guidance_interval=model.guidance_interval,
        # It may be what broke its batch.
        solo=claim.attempt > 1,
        deadline=deadline,
        begin=plan.begin,
        keep=plan.keep,
    )


def _names(claim: Claim) -> dict[str, str]:
    """Name what its log lines are about, beside the generation."""
    names = {"job": claim.job_id, "batch": claim.batch_id}
    return {name: str(identity) for name, identity in names.items() if identity}


def _try_beside(failure: str, work: Callable[..., object], *arguments: object) -> None:
    """Do what only makes an image more useful that is recorded already: it is no attempt's end."""
    try:
        work(*arguments)
    except Exception:
        log.exception(f"{failure}; the image itself is stored")


def _record_all(session: Session, finished: Sequence[Finished]) -> Sequence[int | Locked | None]:
    """Record images; give how many jobs got each, None where the claim was lost."""
    recorded = completion.succeed(session, finished, skip_locked=True)
    others = [one.claim for one in finished if one.claim.generation_id not in recorded]
    # Those that still hold are being joined, or cancelled.
    locked = holds.holding(session, others)
    return [
        LOCKED if one.claim.generation_id in locked else recorded.get(one.claim.generation_id)
        for one in finished
    ]


def _count_joined(claim: Claim, jobs: int, seconds: float) -> None:
    """Count what those were spared who joined; that they did was counted when they came."""
    others = max(0, jobs - 1)
    count(
        Level.IN_FLIGHT,
        Outcome.HIT,
        number=0,
        steps_saved=others * claim.spec.steps,
        seconds_saved=others * seconds,
    )


def _image(claim: Claim, plan: StartPlan, stored: StoredObject) -> Image:
    # One that might have begun with another's latents, and did not, is as good as any.
    exact = None if plan.approximation else claim.exact_fingerprint
    return Image(
        tenant=claim.tenant,
        fingerprint=exact or claim.fingerprint,
        generation_id=claim.generation_id,
        key=stored.key,
        content_type=ORIGINAL.content_type,
        digest=stored.digest,
        size=stored.size,
        width=claim.spec.width,
        height=claim.spec.height,
        seed=claim.spec.noise_seed,
    )


def _count_features(result: RowResult) -> None:
    """Count the steps that took features of earlier ones, beside the whole ones of that image."""
    if result.cheap_steps:
        whole = result.steps - result.cheap_steps
        count(Level.FEATURES, Outcome.MISS, number=whole)
        count(
            Level.FEATURES,
            Outcome.HIT,
            number=result.cheap_steps,
            steps_saved=result.steps_saved,
        )


def _reason(error: Exception) -> str:
    """Say what went wrong in a line that fits into a results sheet."""
    name, line = type(error).__name__, first_line(error)
    says_all = isinstance(error, RowFailedError) or line == name
    return (line if says_all else f"{name}: {line}")[:200]
