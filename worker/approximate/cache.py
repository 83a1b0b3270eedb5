"""The worker's side of the approximate cache: what an image begins with, and what it leaves.

Agarwal et al. 2023, "Approximate Caching for Efficiently Serving Diffusion Models" (NIRVANA),
arXiv 2312.04429. Looking up happens in the thread that waits for the image, writing in a thread of
its own, in batches. Whatever goes wrong, the image is computed as if there were no cache.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session

from core.cache_metrics import Level, Outcome, count
from core.db.connections import limit_statements
from core.db.engine import Database
from core.db.models import ApproximateLatents
from core.domain.approximation import Approximation, Threshold, kept_steps, most_steps
from core.domain.schedulers import NOT_RESUMABLE
from core.errors import StoredObjectLostError
from core.lifecycle import approximation as rows
from core.lifecycle.approximation import Neighbour
from core.lifecycle.claims import Claim
from core.storage import STORAGE_ERRORS, Storage
from worker.approximate.blob import DamagedLatentsError, pack, unpack
from worker.approximate.pooling import pool
from worker.approximate.predictor import Predictor
from worker.approximate.writer import KeptLatents, LatentsWriter
from worker.group_commit import GroupCommit
from worker.loaded import LoadedModel
from worker.model import HIDDEN_STATES, Conditioning
from worker.rows import RowHandedBackError, RowResult
from worker.tokenizer import SeveralChunksError
from worker.walk import NOISE, Begin, Resume

log = structlog.get_logger(__name__)

LOOKUP_SECONDS = 2.0
"""The most that Postgres may take; computing the image is not much slower."""

PAUSE_SECONDS = 30.0
"""How long nothing is looked up after Postgres or S3 failed: each failure costs its timeout."""


@dataclass(frozen=True, kw_only=True)
class StartPlan:
    """What a row begins with, and what of it is to be kept."""

    embedding: NDArray[np.float32] | None = None
    """The prompt's, as it goes into the index; None: the image is none of the cache's business."""
    begin: Begin = NOISE
    approximation: Approximation | None = None
    """Where the latents come from that it goes on from; None where it begins with noise."""
    keep: tuple[int, ...] = ()


NOTHING = StartPlan()


@dataclass(frozen=True, kw_only=True)
class _Question:
    tenant: str
    scope: str
    embedding: NDArray[np.float32]


class ApproximateCache:
    """Plans rows and learns from their results; every method may be called by any thread."""

    def __init__(
        self,
        *,
        database: Database,
        storage: Storage,
        embed: Callable[[str, str, str], "Future[Conditioning]"],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Wire it.

        Args:
            database: Where the index is.
            storage: Where the latents are.
            embed: Encodes a prompt of a tenant with the model of a revision; `Engine.embed`.
            clock: Seconds that never go back.
        """
        self._database = database
        self._storage = storage
        self._embed = embed
        self._clock = clock
        self._predictor = Predictor()
        self._paused_until = float("-inf")
        self._lookups: GroupCommit[_Question, Neighbour | None] = GroupCommit(database, _find_all)
        self._writer = LatentsWriter(database, storage)
        self.flush = self._writer.flush
        """Writes what was learnt."""

    # Before the image

    def plan(self, claim: Claim, model: LoadedModel) -> StartPlan:
        """Decide what a row begins with.

        Args:
            claim: The row's.
            model: What computes it.

        Raises:
            RowHandedBackError: The engine is stopping.
        """
        # What failed once is tried again without anything that it did not need.
        if claim.approximate_scope is None or claim.attempt > 1:
            return NOTHING
        if claim.spec.scheduler in NOT_RESUMABLE:
            count(Level.APPROXIMATE, Outcome.SKIP)
            return NOTHING
        try:
            prompt = claim.spec.prompt
            conditioning = self._embed(prompt, claim.tenant, model.revision).result()
            embedding = pool(conditioning[HIDDEN_STATES], model.end(prompt))
        except RowHandedBackError:
            raise
        except SeveralChunksError:
            count(Level.APPROXIMATE, Outcome.SKIP)
            return NOTHING
        except Exception as error:  # the text encoder's, or ours: the row will meet it again
            self._fall_back(f"the prompt has no embedding: {error}")
            return NOTHING
        return self._begin(claim, model, embedding) or StartPlan(
            embedding=embedding, keep=kept_steps(claim.spec.steps)
        )

    def _begin(
        self, claim: Claim, model: LoadedModel, embedding: NDArray[np.float32]
    ) -> StartPlan | None:
        found = self._look_up(claim, model, embedding)
        if found is None:
            return None
        neighbour, latents = found
        begin = self._load(claim, model, latents)
        if begin is None:
            return None
        return StartPlan(
            embedding=embedding,
            begin=begin,
            approximation=Approximation(
                steps_spared=begin.step,
                similarity=round(neighbour.similarity, 4),
                source_generation=neighbour.generation_id,
                source_job=neighbour.job_id,
            ),
        )

    def _look_up(
        self, claim: Claim, model: LoadedModel, embedding: NDArray[np.float32]
    ) -> tuple[Neighbour, ApproximateLatents] | None:
        """Find the latents that spare most steps of those that are near enough."""
        scope = (claim.tenant, str(claim.approximate_scope))
        if self._clock() < self._paused_until or not self._predictor.worth(scope):
            count(Level.APPROXIMATE, Outcome.SKIP)
            return None
        try:
            neighbour = self._lookups.run(
                _Question(tenant=scope[0], scope=scope[1], embedding=embedding)
            )
        except SQLAlchemyError as error:
            self._pause(f"Postgres: {error}")
            return None
        latents = _usable(claim, neighbour, model.thresholds)
        self._predictor.learn(scope, hit=latents is not None)
        if neighbour is None or latents is None:
            count(Level.APPROXIMATE, Outcome.MISS)
            return None
        return neighbour, latents

    def _load(self, claim: Claim, model: LoadedModel, latents: ApproximateLatents) -> Resume | None:
        shape = model.latent_shape(width=claim.spec.width, height=claim.spec.height)
        try:
            body = self._storage.read(latents)
            return Resume(step=latents.step, latents=unpack(body, shape=shape))
        except (StoredObjectLostError, DamagedLatentsError) as error:
            self._fall_back(f"the latents {latents.key} cannot be used: {error}")
            self._writer.forget(latents.generation_id, latents.step)
        except STORAGE_ERRORS as error:
            self._pause(f"S3 at {self._storage.address}: {error}")
        return None

    # After the image

    def learn(self, claim: Claim, plan: StartPlan, result: RowResult) -> None:
        """Record an image that was computed and stored.

        Only images that were computed from the first step on leave latents: those of others
        would drift away from their prompts, a little with each.
        """
        if plan.approximation is not None:
            spared = plan.approximation.steps_spared
            count(
                Level.APPROXIMATE,
                Outcome.HIT,
                steps_saved=spared,
                seconds_saved=result.unet_seconds / max(1, result.steps) * spared,
            )
            self._writer.count_hit(plan.approximation.source_generation, spared)
        elif plan.embedding is not None and result.kept:
            bodies = {step: pack(latents) for step, latents in result.kept.items()}
            self._writer.keep(KeptLatents(claim=claim, embedding=plan.embedding, bodies=bodies))

    # Counting

    def _fall_back(self, reason: str) -> None:
        log.warning("computed from the first step on", reason=reason.partition("\n")[0])
        count(Level.APPROXIMATE, Outcome.FALLBACK)

    def _pause(self, reason: str) -> None:
        self._paused_until = self._clock() + PAUSE_SECONDS
        self._fall_back(reason)


def _usable(
    claim: Claim, neighbour: Neighbour | None, thresholds: Sequence[Threshold]
) -> ApproximateLatents | None:
    if neighbour is None:
        return None
    most = most_steps(neighbour.similarity, claim.spec.steps, thresholds)
    return next((one for one in neighbour.latents if one.step <= most), None)


def _find_all(session: Session, questions: Sequence[_Question]) -> Sequence[Neighbour | None]:
    limit_statements(session, LOOKUP_SECONDS)
    return [
        rows.find_nearest(
            session, tenant=one.tenant, scope=one.scope, embedding=one.embedding.tolist()
        )
        for one in questions
    ]
