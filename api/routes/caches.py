"""What the caches did for a tenant, and how a tenant empties them."""

from collections.abc import Mapping
from typing import Any

from fastapi import BackgroundTasks, Depends

from api.dependencies import Admin, ServicesNow, SessionNow, Tenant, get_caller
from api.routing.strict_route import Router
from api.routing.transaction_route import TransactionRoute
from api.schemas.operations import (
    CacheHeld,
    CacheLevel,
    CacheStats,
    OutcomeCount,
    Purge,
    PurgeResult,
)
from core import cache_stats
from core.cache_metrics import Level, Outcome, count
from core.cache_stats import LevelStats
from core.errors import InvalidRequestError
from core.lifecycle import approximation, purging

router = Router(
    route_class=TransactionRoute,
    prefix="/v1",
    tags=["Caches"],
    dependencies=[Depends(get_caller)],
)


@router.get("/stats", operation_id="get_stats")
def get_stats(tenant: Tenant, session: SessionNow) -> CacheStats:
    """Return what the caches did for your newest 100,000 jobs of the last 30 days."""
    found = cache_stats.read(session, tenant=tenant)
    levels = [_view(one) for one in found.levels]
    return CacheStats(jobs=found.jobs, since=found.since, levels=levels)


def _view(level: LevelStats) -> CacheLevel:
    outcomes = {"hit": OutcomeCount(**vars(level.hit))}
    if level.misses is not None:
        outcomes["miss"] = OutcomeCount(number=level.misses, steps_saved=0, seconds_saved=0)
    return CacheLevel(
        level=level.level,
        outcomes=outcomes,
        stored=CacheHeld(**vars(level.stored)) if level.stored else None,
    )


@router.post("/cache/purge", operation_id="purge_caches")
def post_purge(
    purge: Purge,
    caller: Admin,
    services: ServicesNow,
    session: SessionNow,
    background: BackgroundTasks,
) -> PurgeResult:
    """Purge stored images of yours: they answer no request from this moment on."""
    if purge.all == (purge.prompt is not None or purge.bundle_revision is not None):
        raise InvalidRequestError(
            "Name what to purge: `prompt`, `bundle_revision` or both; or send `all` alone."
        )
    tenant = caller.tenant
    named: Mapping[str, Any] = {
        "tenant": tenant,
        "prompt": purge.prompt,
        "bundle_revision": purge.bundle_revision,
    }
    images = purging.purge(session, **named, named=purge.named).total()
    keys = approximation.purge(session, **named)
    # After the commit: nothing that can still be found lacks its object.
    background.add_task(services.storage.delete, keys)
    background.add_task(count, Level.RESULT, Outcome.PURGE, number=images)
    return PurgeResult(images=images, latents=len(keys))
