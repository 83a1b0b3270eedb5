"""What keys may use together: whose limits a key's requests and images count in.

A key that was made with another one counts in that one's limits, or several of them would lift it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.db.models import ApiKey
from core.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Budget:
    """A limit, of a key and of those that count in it."""

    owner: UUID
    """The key whose limit it is."""
    most: int
    """Above 0."""


def request_limit(key: ApiKey, settings: Settings) -> int:
    """Return the most requests of a key in a minute; 0: no limit."""
    return _decided(key.requests_per_minute, settings.requests_per_minute)


def queued_limit(key: ApiKey, settings: Settings) -> int:
    """Return the most images of a key that wait or are computed; 0: no limit."""
    return _decided(key.queued_images, settings.queued_images)


def source_limit(key: ApiKey, settings: Settings) -> int:
    """Return the most bytes of its tenant's photographs when a key sends one; 0: no limit.

    All of the tenant's are counted, whichever key sent them: so keys need not share it.
    """
    return _decided(key.source_bytes, settings.source_bytes)


def request_budgets(key: ApiKey, settings: Settings) -> Sequence[Budget]:
    """List the limits of requests in a minute that a key counts in, its own first."""
    owners = _decided(key.owner_requests_per_minute, settings.requests_per_minute)
    return _budgets(key, request_limit(key, settings), owners)


def queued_budgets(key: ApiKey, settings: Settings) -> Sequence[Budget]:
    """List the limits of images that wait or are computed that a key counts in, its own first."""
    owners = _decided(key.owner_queued_images, settings.queued_images)
    return _budgets(key, queued_limit(key, settings), owners)


def has_narrower_limits(key: ApiKey, settings: Settings) -> bool:
    """Check whether a key has limits of its own within those of the key that it counts in."""
    budgets = (*request_budgets(key, settings), *queued_budgets(key, settings))
    return key.limits_owner is not None and any(one.owner == key.id for one in budgets)


def shared_limits(maker: ApiKey) -> Mapping[str, Any]:
    """Return the columns of a key that counts in its maker's limits, or where that one counts."""
    if maker.limits_owner is not None:
        names = ("limits_owner", "owner_requests_per_minute", "owner_queued_images")
        return {name: getattr(maker, name) for name in names}
    return {
        "limits_owner": maker.id,
        "owner_requests_per_minute": maker.requests_per_minute,
        "owner_queued_images": maker.queued_images,
    }


def _decided(own: int | None, default: int) -> int:
    return default if own is None else own


def _budgets(key: ApiKey, own: int, owners: int) -> Sequence[Budget]:
    if key.limits_owner is None:
        return [Budget(owner=key.id, most=own)] if own else []
    budgets = [Budget(owner=key.limits_owner, most=owners)] if owners else []
    if own and (not owners or own < owners):
        budgets.insert(0, Budget(owner=key.id, most=own))
    return budgets
