"""How a message ends: what becomes of it, and of the claim that it led to."""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import TypeVar
from uuid import UUID

import stamina
import structlog
from sqlalchemy import func
from sqlmodel import Session, col

from core.db.engine import DATABASE_ERRORS, Database
from core.db.models import Job
from core.domain.states import GenerationState
from core.errors import (
    DeadlineExceededError,
    GenerationFailedError,
    GenerationImpossibleError,
    InsufficientMemoryError,
    PackshotError,
    first_line,
)
from core.failures import count_failed
from core.lifecycle import cancellation, completion, holds
from core.lifecycle.claims import Claim
from worker.metrics import ATTEMPTS
from worker.rows import RowFailedError, RowImpossibleError, RowTooLargeError

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


class Endings:
    """Ends claims that are not finished, in all the ways in which that may happen."""

    def __init__(
        self,
        database: Database,
        *,
        max_attempts: int,
        patience_seconds: float = 60.0,
        pause_seconds: float = 2.0,
    ) -> None:
        """Wire it.

        Args:
            database: Where claims are.
            max_attempts: Times a generation is computed before it fails.
            patience_seconds: How long a service may be away before an image is given up; it is
                then queued again, and the attempt does not count.
            pause_seconds: Before a failed image's second attempt, twice that before its third.
        """
        self._database = database
        self._max_attempts = max_attempts
        self._patience_seconds = patience_seconds
        self._pause_seconds = pause_seconds

    def hand_back(self, claim: Claim) -> Delivery:
        """Queue it again, untouched, with the same message."""
        return self._leave(
            claim, Delivery.AGAIN, lambda session: holds.hand_back(session, claim, published=True)
        )

    def postpone(self, claim: Claim, reason: str) -> Delivery:
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

    def expire(self, claim: Claim) -> Delivery:
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

    def fail(self, claim: Claim, error: Exception) -> Delivery:
        """Count the attempt: try again later, alone, or give up."""
        of_photograph = _of_photograph(claim, error)
        if of_photograph is None:
            log.error("attempt failed", attempt=claim.attempt, exc_info=error)
        else:
            log.warning("photograph not used", attempt=claim.attempt, reason=_reason(error))
        failure = self._final(claim, error)
        if failure:
            return self._leave(
                claim,
                Delivery.FAILED,
                lambda session: completion.fail(session, claim, failure),
                error=type(failure),
            )
        delay_seconds = self._pause_seconds * 2 ** (claim.attempt - 1)
        if of_photograph is not None:
            # What its server asks for.
            asked = float(of_photograph.extensions.get("retry_after", 0))
            delay_seconds = max(delay_seconds, asked)
        return self._leave(
            claim,
            Delivery.LATER,
            lambda session: holds.retry_later(session, claim, delay_seconds=delay_seconds),
        )

    def _final(self, claim: Claim, error: Exception) -> PackshotError | None:
        """Return why it is given up; None where another attempt may bring it."""
        if isinstance(error, RowImpossibleError):
            return GenerationImpossibleError(f"The model cannot make this image: {_reason(error)}.")
        of_photograph = _of_photograph(claim, error)
        if of_photograph is not None and not of_photograph.retry_helps:
            return of_photograph
        if claim.attempt < self._max_attempts:
            return None
        return of_photograph or _given_up(claim, error)

    def _leave(
        self,
        claim: Claim,
        left: Delivery,
        transaction: Callable[[Session], bool],
        *,
        error: type[PackshotError] = GenerationFailedError,
    ) -> Delivery:
        """End a claim; where it held no more, report how its generation stands."""

        def leave() -> bool:
            with self._database.session() as session:
                return transaction(session)

        try:
            if self.patiently(DATABASE_ERRORS, leave):
                if left is Delivery.FAILED:
                    count_failed(error)
                return left
        except Exception:
            log.exception("claim not given up: its lease runs out, then it is queued again")
            return Delivery.LATER
        return self.found(claim.generation_id)

    def found(self, generation_id: UUID) -> Delivery:
        """Return how a generation stands that is not ours."""
        try:
            with self._database.session() as session:
                state = holds.state_of(session, generation_id)
        except DATABASE_ERRORS as error:
            log.info("not looked at", reason=_reason(error))
            return Delivery.ELSEWHERE
        return _STANDS[state] if state else Delivery.ELSEWHERE

    def patiently(
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


def _given_up(claim: Claim, error: Exception) -> PackshotError:
    """Return why an image is given up after its last attempt."""
    if isinstance(error, RowTooLargeError):
        return InsufficientMemoryError(f"{error}.")
    if claim.spec.photograph is not None:
        return GenerationFailedError(
            f"The image could not be made {claim.attempt} times ({_reason(error)}); the "
            "worker's log has the traceback."
        )
    return GenerationFailedError(
        f"The model failed on this image {claim.attempt} times ({_reason(error)}); "
        "the worker's log has the traceback."
    )


def _of_photograph(claim: Claim, error: Exception) -> PackshotError | None:
    """Return an error that says what is wrong with an image's photograph; None: it does not."""
    if claim.spec.photograph is not None and isinstance(error, PackshotError):
        return error
    return None


_STANDS = {
    GenerationState.QUEUED: Delivery.LATER,
    GenerationState.RUNNING: Delivery.ELSEWHERE,
    GenerationState.SUCCEEDED: Delivery.DONE,
    GenerationState.FAILED: Delivery.FAILED,
    GenerationState.CANCELED: Delivery.CANCELED,
}


def _reason(error: Exception) -> str:
    """Describe what went wrong in a line that fits into a results sheet."""
    name, line = type(error).__name__, first_line(error)
    says_all = isinstance(error, RowFailedError) or line == name
    return (line if says_all else f"{name}: {line}")[:200]
