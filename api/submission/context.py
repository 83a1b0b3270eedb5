"""What request, key and settings decide about a submission together."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from api.schemas.requests import Fields
from core.budgets import Budget, queued_budgets
from core.db.models import ApiKey
from core.domain.cache_mode import CacheMode
from core.egress.policy import EgressPolicy
from core.settings import Settings


@dataclass(frozen=True, kw_only=True)
class RequestContext:
    """Tenant, API key and cache policy of a request."""

    tenant: str
    cache: CacheMode
    approximate: bool
    """Whether images may begin with a near prompt's latents."""
    ttl_seconds: float
    """The age from which a stored image answers no more."""
    publishes: int
    """New images whose messages the request sends itself, at most."""
    api_key_id: UUID
    queued_images: Sequence[Budget]
    """The limits of images that wait or are computed that the key counts in."""
    egress: EgressPolicy
    """Which addresses may be asked."""
    callback_url: str | None = None
    """Where its end is told; judged already."""


def context_of(
    fields: Fields, key: ApiKey, settings: Settings, egress: EgressPolicy
) -> RequestContext:
    """Put together what request, key and settings say: who is asked first decides.

    Raises:
        ForbiddenUrlError: The request's `callback_url` may not be called.
    """
    return RequestContext(
        tenant=key.tenant,
        cache=fields.cache or key.cache or settings.cache,
        approximate=_approximate(fields.approximate, key, settings),
        ttl_seconds=settings.result_ttl_seconds,
        publishes=settings.queue_window,
        api_key_id=key.id,
        queued_images=queued_budgets(key, settings),
        egress=egress,
        callback_url=egress.judge(fields.callback_url).url if fields.callback_url else None,
    )


def _approximate(asked: bool | None, key: ApiKey, settings: Settings) -> bool:
    if not settings.approximate_budget_bytes:
        return False
    said = (one for one in (asked, key.approximate) if one is not None)
    return next(said, settings.approximate)
