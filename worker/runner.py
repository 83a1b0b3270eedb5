"""One message: claim the generation, compute it, store it, record it.

Whatever goes wrong, the generation is left in a state from which somebody goes on: it is finished,
it is back in the queue, or its lease runs out and the sweeper takes it back.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeVar
from uuid import UUID

import structlog
from sqlmodel import Session

from catalogue.renditions.store import Renditions
from core.db.engine import DATABASE_ERRORS, Database
from core.domain.image_spec import ImageSpec
from core.domain.photograph_spec import PROMPTED, ImageMode
from core.lifecycle import completion, holds
from core.lifecycle.claims import Claim
from core.lifecycle.completion import Finished
from core.pictures.credentials import Credentials
from core.pictures.marking import Watermark
from core.storage import STORAGE_ERRORS, Storage
from core.stored_object import StoredObject
from worker.approximate.cache import NOTHING, ApproximateCache
from worker.claiming import Claiming, Foreign, RowModels
from worker.counting import count_made
from worker.cutouts.pool import CutoutPool
from worker.cutouts.serving import ServedWithCutouts
from worker.edits.making import EditMaker
from worker.endings import Delivery, Endings
from worker.group_commit import LOCKED, GroupCommit, Locked
from worker.leases import Lease, Leases
from worker.loaded import LoadedModel
from worker.metrics import ATTEMPTS, STAGE_SECONDS
from worker.pictures import (
    ORIGINAL,
    MadeImage,
    describe,
    encode_original,
    make_known,
    watermarked,
    with_proof,
)
from worker.registry import ModelNotLoadedError
from worker.requesting import request_of
from worker.room import PromptedRoom
from worker.rows import (
    RowCanceledError,
    RowExpiredError,
    RowHandedBackError,
    RowRequest,
    RowResult,
    Ticket,
)
from worker.scenes.making import SceneMaker
from worker.walk import Picture

log = structlog.get_logger(__name__)

Value = TypeVar("Value")


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
        cutouts: CutoutPool | None = None,
        scenes: SceneMaker | None = None,
        edits: EditMaker | None = None,
        room: PromptedRoom | None = None,
        approximate: ApproximateCache | None = None,
        renditions: Renditions | None = None,
        credentials: Credentials | None = None,
        watermark: Watermark | None = None,
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
            cutouts: Makes images of photographs; None: they are left to other workers.
            scenes: Makes scenes of photographs.
            edits: Draws over photographs.
            room: Counts scenes and edits, which are not claimed while there is none; None: both
                are left to other workers.
            approximate: Where rows that agree to it may find a beginning; None: nowhere.
            renditions: Makes what channels want of an image; None: somebody else does.
            credentials: What signs images; None: they are not signed.
            watermark: What images that a model drew are marked with; None: nothing.
            patience_seconds: How long Postgres or S3 may be away before an image is given up; it
                is then queued again, and the attempt does not count.
            pause_seconds: Before a failed image's second attempt, twice that before its third.
        """
        self._database, self._storage = database, storage
        self._engine, self._models = engine, models
        self._leases = leases
        self._cutouts = cutouts
        self._scenes, self._edits = scenes, edits
        self._approximate, self._renditions = approximate, renditions
        self._credentials, self._watermark = credentials, watermark
        self._pause_seconds = pause_seconds
        self._stopping = threading.Event()
        self._claiming = self._make_claiming(room)
        self._endings = Endings(
            database,
            max_attempts=max_attempts,
            patience_seconds=patience_seconds,
            pause_seconds=pause_seconds,
        )
        self._recordings: GroupCommit[Finished, int | None] = GroupCommit(database, _record_all)

    def _make_claiming(self, room: PromptedRoom | None) -> Claiming:
        models, cutouts = self._models, self._cutouts
        return Claiming(
            self._database,
            ServedWithCutouts(models, cutouts) if cutouts else models,
            owner=self._leases.owner,
            lease_seconds=self._leases.lease_seconds,
            pause_seconds=self._pause_seconds,
            without=room.without if room else lambda: PROMPTED,
        )

    def stop(self) -> None:
        """Begin nothing more: further messages go back at once."""
        self._stopping.set()
        if self._cutouts:
            self._cutouts.stop()

    def close(self) -> None:
        """Claim nothing from now on: all that this process holds is recorded when this returns."""
        self.stop()
        self._claiming.close()

    def run(self, generation_id: UUID) -> Delivery:
        """Do what one message asks for, and say what becomes of it."""
        if self._stopping.is_set():
            return Delivery.AGAIN
        with structlog.contextvars.bound_contextvars(generation=str(generation_id)):
            try:
                claim = self._endings.patiently(
                    DATABASE_ERRORS,
                    lambda: self._claiming.claim(generation_id),
                    unless=self._stopping.is_set,
                )
            except Exception:
                log.exception("not claimed: its message goes back")
                self._stopping.wait(self._pause_seconds)
                return Delivery.AGAIN
            if isinstance(claim, Foreign):
                if not self._claiming.serves(claim):
                    # While other workers take messages out of the queue, this thread lets them.
                    self._stopping.wait(self._pause_seconds / 8)
                return Delivery.LATER
            if claim is None:
                # Finished, cancelled, or somebody else's since its message was sent. Should that
                # somebody die, its lease runs out and the sweeper sends another message.
                return self._endings.found(generation_id)
            with structlog.contextvars.bound_contextvars(**_names(claim)):
                delivery = self._hold(claim)
        ATTEMPTS.labels(outcome=delivery.value).inc()
        return delivery

    def _hold(self, claim: Claim) -> Delivery:
        with self._leases.holding(claim) as lease:
            if lease is None:
                return self._endings.postpone(
                    claim, "an earlier claim of it is still in the engine"
                )
            return self._work(lease)

    def _work(self, lease: Lease) -> Delivery:
        claim = lease.claim
        try:
            return self._compute_and_record(lease)
        except (RowHandedBackError, RowCanceledError, ModelNotLoadedError) as error:
            log.info("left the engine", reason=str(error))
            # A cancelled row, or one that another worker has, is not ours to hand back. If the
            # claim holds after all (an earlier claim of the same image was meant), it goes on.
            return self._endings.hand_back(claim)
        except RowExpiredError:
            return self._endings.expire(claim)
        except STORAGE_ERRORS as error:  # never the image's fault
            return self._endings.postpone(claim, f"S3 at {self._storage.address}: {error}")
        except DATABASE_ERRORS as error:
            return self._endings.postpone(claim, f"Postgres: {error}")
        except Exception as error:
            return self._endings.fail(claim, error)

    def _compute_and_record(self, lease: Lease) -> Delivery:
        claim = lease.claim
        made = watermarked(claim, self._make(lease), self._watermark)
        lease.computed = True
        body = encode_original(made, self._credentials)
        made = with_proof(made, body)
        with STAGE_SECONDS.labels("store").time():
            image = describe(claim, made, self._store(lease, body))
        finished = Finished(
            claim=claim,
            image=image,
            seconds=made.seconds,
            approximation=made.plan.approximation,
        )
        with STAGE_SECONDS.labels("record").time():
            jobs = self._endings.patiently(DATABASE_ERRORS, lambda: self._recordings.run(finished))
        if jobs is None:
            log.info("image not recorded: its claim ended while it was computed")
            return self._endings.found(claim.generation_id)
        count_made(claim, made, jobs)
        log.info("image stored", seconds=round(made.seconds, 2), attempt=claim.attempt)
        if self._approximate and made.row:
            _try_beside("latents not kept", self._approximate.learn, claim, made.plan, made.row)
        if self._renditions:
            _try_beside(
                "renditions not made", make_known, self._renditions, image, claim.channels, body
            )
        return Delivery.DONE

    def _make(self, lease: Lease) -> MadeImage:
        """Make a claim's image: by a model, of a photograph, or of both."""
        claim = lease.claim
        if claim.spec.mode is ImageMode.SCENE and self._scenes is not None:
            with self._models.using(claim.bundle_revision) as model:
                lease.computed = True
                return self._scenes.make(
                    lease,
                    model,
                    partial(self._draw, lease, model),
                    partial(self._draw_over, lease, model),
                )
        if claim.spec.mode is ImageMode.EDIT and self._edits is not None:
            with self._models.using(claim.bundle_revision) as model:
                lease.computed = True
                return self._edits.make(lease, model, partial(self._draw_over, lease, model))
        if claim.spec.photograph is not None and self._cutouts is not None:
            # Its lease is renewed whatever the engine does; the pool has a watchdog of its own.
            lease.computed = True
            return self._cutouts.make(lease)
        with self._models.using(claim.bundle_revision) as model:
            plan = self._approximate.plan(claim, model) if self._approximate else NOTHING
            result = self._engine.submit(request_of(claim, model, plan)).result()
        return MadeImage(pixels=result.image, seconds=result.seconds, plan=plan, row=result)

    def _draw(self, lease: Lease, model: LoadedModel, spec: ImageSpec) -> RowResult:
        """Have the engine draw what a claim's image is made with, whatever that one's deadline."""
        claim = replace(lease.claim, spec=spec, deadline_at=None)
        return self._ask(lease, request_of(claim, model, NOTHING))

    def _draw_over(
        self, lease: Lease, model: LoadedModel, spec: ImageSpec, picture: Picture
    ) -> RowResult:
        """Have the engine draw for a claim's image alone, over a picture."""
        request = request_of(replace(lease.claim, spec=spec), model, NOTHING)
        return self._ask(lease, replace(request, begin=picture))

    def _ask(self, lease: Lease, request: RowRequest) -> RowResult:
        """Wait for the engine; a hung one must not hold the lease."""
        lease.computed = False
        try:
            return self._engine.submit(request).result()
        finally:
            lease.computed = True

    def _store(self, lease: Lease, body: bytes) -> StoredObject:
        """Store the image; while S3 is away it is kept in memory, and tried again."""
        claim = lease.claim
        return self._endings.patiently(
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
