"""What the caches did for a tenant, and how a tenant empties them."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, BackgroundTasks, Depends

from api.dependencies import Admin, ServicesNow, SessionNow, Tenant, get_caller
from api.problems import problems
from api.routing import TransactionRoute
from api.schemas import CacheHeld, CacheLevel, CacheStats, OutcomeCount, Purge, PurgeResult
from core import cache_ledger
from core.cache_ledger import LevelStats
from core.cache_stats import Level, Outcome, count
from core.errors import InvalidRequestError
from core.lifecycle import approximation, retention

router = APIRouter(
    route_class=TransactionRoute,
    prefix="/v1",
    tags=["Caches"],
    dependencies=[Depends(get_caller)],
    responses=problems(401, 403, 422, 503),
)


@router.get("/stats")
def get_stats(tenant: Tenant, session: SessionNow) -> CacheStats:
    """Tell what each cache did for your requests; a few seconds late."""
    return CacheStats(levels=[_view(one) for one in cache_ledger.read(session, tenant=tenant)])


def _view(level: LevelStats) -> CacheLevel:
    return CacheLevel(
        level=level.level,
        outcomes={
            name: OutcomeCount(**vars(amount)) for name, amount in sorted(level.outcomes.items())
        },
        stored=CacheHeld(**vars(level.stored)) if level.stored else None,
    )


@router.post("/cache/purge")
def post_purge(
    purge: Purge,
    caller: Admin,
    services: ServicesNow,
    session: SessionNow,
    background: BackgroundTasks,
) -> PurgeResult:
    """Let stored images of yours answer no more, from this moment on, and delete them."""
    if purge.all == (purge.prompt is not None or purge.bundle_revision is not None):
        raise InvalidRequestError(
            "Say what to purge: `prompt`, `bundle_revision` or both; or `all` without them."
        )
    tenant = caller.tenant
    named: Mapping[str, Any] = {
        "tenant": tenant,
        "prompt": purge.prompt,
        "bundle_revision": purge.bundle_revision,
    }
    images = retention.purge(session, **named, named=purge.named).total()
    keys = approximation.purge(session, **named)
    # After the commit: nothing that can still be found lacks its object.
    background.add_task(services.storage.delete, keys)
    background.add_task(count, Level.RESULT, Outcome.PURGE, tenant=tenant, number=images)
    return PurgeResult(images=images, latents=len(keys))
