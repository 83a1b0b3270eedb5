"""What the engine is asked for, for a claim."""

import time

from core.lifecycle.claims import Claim
from worker.approximate.cache import StartPlan
from worker.loaded import LoadedModel
from worker.rows import RowRequest


def request_of(claim: Claim, model: LoadedModel, plan: StartPlan) -> RowRequest:
    """Return the request for a claim's image, by a model, that begins as planned."""
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
        # It may be what broke its batch.
        solo=claim.attempt > 1,
        deadline=deadline,
        begin=plan.begin,
        keep=plan.keep,
    )
