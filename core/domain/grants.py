"""What an API key may do, and whether one key may give that to another."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from core.domain.scopes import Scope


@dataclass(frozen=True, kw_only=True)
class Grant:
    """All that a key opens, and where it ends."""

    tenant: str
    scopes: frozenset[Scope]
    expires_at: datetime | None
    """None: never."""
    requests_per_minute: int
    """As it counts now, the server's where the key has none of its own; 0: no limit."""
    queued_images: int
    """The same."""
    source_bytes: int
    """The same."""


def _no_later(given: datetime | None, own: datetime | None) -> bool:
    return own is None or (given is not None and given <= own)


def _no_more(given: int, own: int) -> bool:
    return own == 0 or 0 < given <= own


RULES: Mapping[str, Callable[[Any, Any], bool]] = {
    "tenant": operator.eq,
    "scopes": frozenset.issubset,
    "expires_at": _no_later,
    "requests_per_minute": _no_more,
    "queued_images": _no_more,
    "source_bytes": _no_more,
}
"""By field of a grant, whether what is given is within what the giver has."""

WITHOUT_POWER = {
    "id": "names the key",
    "name": "for people",
    "prefix": "to tell keys apart",
    "digest": "the secret's hash; whoever learns a secret is checked against the whole grant",
    "created_at": "a record",
    "revoked_at": "only ends the key",
    "previous_digest": "of the secret before; it is no more than the key, and ends sooner",
    "previous_until": "the end of the secret before; the expiry of who came with that one",
    "last_used_at": "a record",
    "limits_owner": "follows from whose key makes it; it only adds limits",
    "owner_requests_per_minute": "the limit of that one",
    "owner_queued_images": "the limit of that one",
    "cache": "a default that each request may overrule",
    "approximate": "a default that each request may overrule",
}
"""By column of a key that no rule is about, why it needs none."""


def exceeding(given: Grant, own: Grant) -> Sequence[str]:
    """List the fields in which a grant is more than the giver's own; none: it is within it."""
    return [
        field.name
        for field in fields(Grant)
        if not RULES[field.name](getattr(given, field.name), getattr(own, field.name))
    ]
