"""How many requests a key may send in a minute, counted in Redis for all API processes."""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from prometheus_client import Counter
from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.budgets import request_budgets
from core.db.models import ApiKey
from core.errors import RateLimitedError
from core.settings import Settings

WINDOW_SECONDS = 60
PAUSE_SECONDS = 5.0
"""How long requests are not counted after Redis did not answer."""
PATIENCE_SECONDS = 0.5
"""The longest that a request waits for Redis."""

_KEY = "This key, with those that share its limit,"

UNCOUNTED = Counter(
    "packshot_uncounted_requests", "Requests that were let through because Redis was away."
)

logger = logging.getLogger("packshot.api")


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where a key, or an address without one, stands after a request."""

    who: str
    """What the limit is one of, as a sentence's beginning."""
    allowed: bool
    quota: int
    """Requests in a minute."""
    remaining: int
    reset_seconds: int
    """Until more is free."""

    def headers(self) -> dict[str, str]:
        """Write it as the IETF draft "RateLimit header fields for HTTP", 11, does."""
        return {
            "RateLimit-Policy": f'"requests";q={self.quota};w={WINDOW_SECONDS}',
            "RateLimit": f'"requests";r={self.remaining};t={self.reset_seconds}',
        }

    def error(self) -> RateLimitedError:
        """Return the error that says how long to wait."""
        return RateLimitedError(
            f"{self.who} may send {self.quota} requests in a minute. Send it again in "
            f"{self.reset_seconds} seconds.",
            retry_after=self.reset_seconds,
        )


class RateLimiter:
    """Counts requests; lets them through while Redis is away."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        patience = min(settings.connect_timeout, PATIENCE_SECONDS)
        url = settings.rate_limit_url or settings.broker_url
        pool = ConnectionPool.from_url(
            url,
            socket_connect_timeout=patience,
            socket_timeout=patience,
            retry=Retry(NoBackoff(), 0),
        )
        storage = RedisStorage(
            url, connection_pool=pool, wrap_exceptions=True, key_prefix="packshot:limits"
        )
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._paused_until = 0.0

    def count(self, key: ApiKey) -> Standing | None:
        """Count one request of a key; None: it has no limit, or Redis is away."""
        budgets = request_budgets(key, self._settings)
        return self._count([(str(one.owner), one.most) for one in budgets], _KEY)

    def count_address(self, host: str) -> Standing | None:
        """Count one request of an address that needs no key; None: Redis is away."""
        most = self._settings.public_detections_per_minute
        return self._count([(f"address:{host}", most)], "An address without a key")

    def count_sign_in(self, host: str) -> Standing | None:
        """Count one attempt to sign in from an address; None: no limit, or Redis is away."""
        most = self._settings.sign_ins_per_minute
        return self._count([(f"sign-in:{host}", most)] if most else [], "An address")

    def _count(self, limits: Sequence[tuple[str, int]], who: str) -> Standing | None:
        if not limits:
            return None
        if time.monotonic() < self._paused_until:
            UNCOUNTED.inc()
            return None
        try:
            return self._count_in(limits, who)
        except StorageError as error:
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            UNCOUNTED.inc()
            logger.warning("Requests are not counted while Redis is away: %s", error)
            return None

    def _count_in(self, limits: Sequence[tuple[str, int]], who: str) -> Standing:
        """Count in each, until one refuses; return the one that has least left."""
        standings = []
        for owner, most in limits:
            standings.append(self._hit(owner, most, who))
            if not standings[-1].allowed:
                return standings[-1]
        return min(standings, key=lambda one: one.remaining)

    def _hit(self, owner: str, most: int, who: str) -> Standing:
        item = RateLimitItemPerMinute(most)
        allowed = self._limiter.hit(item, owner)
        reset, remaining = self._limiter.get_window_stats(item, owner)
        return Standing(
            who=who,
            allowed=allowed,
            quota=most,
            remaining=remaining,
            reset_seconds=max(1, math.ceil(reset - time.time())),
        )
