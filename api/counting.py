"""What the caches did for requests, counted after their transactions."""

from api.acceptance import Terms
from api.result_memory import ResultMemory
from core.cache_stats import Level, Outcome, count
from core.domain.cache_mode import CacheMode
from core.domain.states import CacheOutcome
from core.lifecycle.submission import Submission


def count_submission(memory: ResultMemory, terms: Terms, submission: Submission) -> None:
    """Count look-ups and what they saved.

    What joining saved is counted by the worker, when the image is there: a request that is
    cancelled before that saved nothing.
    """
    tenant, mode = terms.tenant, terms.cache
    exact = submission.outcomes.get(CacheOutcome.EXACT, 0)
    joined = submission.outcomes.get(CacheOutcome.COALESCED, 0)
    computed = sum(submission.outcomes.values()) - exact - joined
    if mode is CacheMode.USE:
        count(
            Level.RESULT,
            Outcome.HIT,
            tenant=tenant,
            number=exact,
            steps_saved=submission.steps_saved,
            seconds_saved=submission.seconds_saved,
        )
        count(Level.RESULT, Outcome.MISS, tenant=tenant, number=joined + computed)
    else:
        count(Level.RESULT, Outcome.SKIP, tenant=tenant, number=joined + computed)
    if mode is CacheMode.BYPASS:
        count(Level.IN_FLIGHT, Outcome.SKIP, tenant=tenant, number=computed)
    else:
        count(Level.IN_FLIGHT, Outcome.HIT, tenant=tenant, number=joined)
        count(Level.IN_FLIGHT, Outcome.MISS, tenant=tenant, number=computed)
    memory.used(submission.uses)
