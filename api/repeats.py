"""A request for an image that answered before: one statement instead of five."""

from dataclasses import dataclass

from sqlmodel import Session

from api.reading import JobRow
from api.result_memory import ResultMemory
from core.domain.lanes import Lane
from core.domain.states import CacheOutcome
from core.lifecycle.repeats import Known, answer_again
from core.lifecycle.submission import Submission, Wanted


@dataclass(frozen=True, kw_only=True)
class Again:
    """A job that has its image."""

    row: JobRow
    submission: Submission


class Repeats:
    """Answers one tenant's requests with what this process remembers."""

    def __init__(
        self, session: Session, memory: ResultMemory, tenant: str, ttl_seconds: float
    ) -> None:
        self._session = session
        self._memory = memory
        self._tenant = tenant
        self._ttl_seconds = ttl_seconds

    def answer(self, wanted: Wanted, lane: Lane, bundle_revision: str) -> Again | None:
        """Insert a job that has its image; None when that image is not known, or answers no more.

        Who agrees to an approximate image is glad of an exact one: its fingerprint is looked for.
        """
        fingerprint = wanted.fingerprint(bundle_revision)
        known = self._memory.find(self._tenant, fingerprint)
        if known is None:
            return None
        job = answer_again(
            self._session,
            wanted,
            known,
            tenant=self._tenant,
            lane=lane,
            fingerprint=fingerprint,
            ttl_seconds=self._ttl_seconds,
        )
        if job is None:
            self._memory.unlearn(self._tenant, fingerprint)
            return None
        return Again(
            row=(job, known.image, known.seconds, known.approximation),
            submission=Submission(
                job_ids=[job.id],
                published=[],
                outcomes={CacheOutcome.EXACT: 1},
                uses={known.image.id: 1},
                steps_saved=wanted.steps,
                seconds_saved=known.seconds or 0.0,
            ),
        )

    def learn(self, row: JobRow) -> None:
        """Remember the image of a job that was answered from store."""
        job, image, seconds, approximation = row
        if job.cache is not CacheOutcome.EXACT or image is None:
            return
        known = Known(image=image, seconds=seconds, approximation=approximation)
        self._memory.learn(self._tenant, image.fingerprint, known)
