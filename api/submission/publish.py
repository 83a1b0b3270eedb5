"""What follows a submission's commit: it is logged and counted, and workers are woken up.

Best effort: what fails here, the housekeeping makes good.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import structlog
from fastapi.concurrency import run_in_threadpool

from api.services import Services
from api.submission.context import RequestContext
from api.turns.result_memory import ResultMemory
from core.broker import BROKER_ERRORS
from core.cache_metrics import Level, Outcome, count
from core.db.bulk_insert import ANALYZED, analyze
from core.db.engine import DATABASE_ERRORS
from core.domain.cache_mode import CacheMode
from core.domain.lanes import Lane
from core.domain.states import CacheOutcome
from core.lifecycle.feeding import mark_published, release, split
from core.lifecycle.submission import Submission

logger = logging.getLogger("packshot.api")
log = structlog.get_logger("packshot.api")


async def follow_up(
    services: Services, context: RequestContext, submission: Submission, **named: object
) -> None:
    """Do what follows the commit of a submission.

    Args:
        services: The process's clients.
        context: Whose it is.
        submission: What became of its images.
        named: Ids and counts for the log, beside the request's id.
    """
    # Not in a thread: logging is quicker than finding one.
    log.info("accepted", **named)
    await run_in_threadpool(_follow_up, services, context, submission)


def _follow_up(services: Services, context: RequestContext, submission: Submission) -> None:
    count_submission(services.results, context, submission)
    publish(services, context.tenant, context.api_key_id, submission.published)
    if len(submission.job_ids) >= ANALYZED:
        # Postgres does it by itself a minute later.
        with suppress(*DATABASE_ERRORS):
            analyze(services.database)


def count_submission(memory: ResultMemory, context: RequestContext, submission: Submission) -> None:
    """Count look-ups and what they saved.

    What joining saved is counted by the worker, when the image is there: a request that is
    cancelled before that saved nothing.
    """
    mode = context.cache
    exact = submission.outcomes.get(CacheOutcome.EXACT, 0)
    joined = submission.outcomes.get(CacheOutcome.COALESCED, 0)
    computed = sum(submission.outcomes.values()) - exact - joined
    if mode is CacheMode.USE:
        count(
            Level.RESULT,
            Outcome.HIT,
            number=exact,
            steps_saved=submission.steps_saved,
            seconds_saved=submission.seconds_saved,
        )
        count(Level.RESULT, Outcome.MISS, number=joined + computed)
    else:
        count(Level.RESULT, Outcome.SKIP, number=joined + computed)
    if mode is CacheMode.BYPASS:
        count(Level.IN_FLIGHT, Outcome.SKIP, number=computed)
    else:
        count(Level.IN_FLIGHT, Outcome.HIT, number=joined)
        count(Level.IN_FLIGHT, Outcome.MISS, number=computed)
    memory.used(submission.uses)


def publish(
    services: Services, tenant: str, api_key_id: UUID, generations: Sequence[tuple[UUID, Lane]]
) -> None:
    """Send the messages of a key's new generations, as far as the tenant's window reaches.

    A failure is only logged: the rows are there, and the housekeeping sends what was not noted.
    """
    if not generations:
        return
    window = services.settings.queue_window
    try:
        with services.database.session() as session:
            messages, waiting = split(
                session, tenant, generations, window=window, api_key_id=api_key_id
            )
            if waiting:
                release(session, waiting)
        services.publisher.publish(messages)
        with services.database.session() as session:
            mark_published(session, messages)
    # Whatever it is: the answer is out, and the rows are safe.
    except Exception as error:
        logger.warning(
            "%d images are queued, but Redis at %s was not told (%s); the sweeper will do it.",
            len(generations),
            services.broker.address,
            error,
        )


def revoke(services: Services, generation_ids: Sequence[UUID]) -> None:
    """Revoke messages at the workers; without it they drop them when they look at the row."""
    try:
        services.publisher.revoke(generation_ids)
    except BROKER_ERRORS as error:
        logger.warning(
            "Redis at %s was not told of %d cancellations (%s); workers see them in Postgres.",
            services.broker.address,
            len(generation_ids),
            error,
        )
