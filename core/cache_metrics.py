"""What the caches of this process did, counted for Prometheus.

`core.cache_stats` says what they did for a tenant: values of labels are few, and known beforehand.
"""

from enum import StrEnum

from prometheus_client import Counter, Gauge


class Level(StrEnum):
    """The caches, from the one that saves most."""

    RESULT = "result"
    """A finished image answers a request."""
    IN_FLIGHT = "in_flight"
    """A request joins work that runs already."""
    EMBEDDING = "embedding"
    """A text is not encoded again."""
    APPROXIMATE = "approximate"
    """An image starts from the latents of a near one."""
    FEATURES = "features"
    """A step takes deep features of the UNet from an earlier step."""


class Outcome(StrEnum):
    """What can happen to an entry or a look-up."""

    HIT = "hit"
    """Found, and used."""
    MISS = "miss"
    """Looked for, and not there."""
    SKIP = "skip"
    """Not looked for, because it was thought hopeless, or because the request wanted none."""
    FALLBACK = "fallback"
    """Found but unusable (missing in S3, damaged, foreign): computed as if there were none."""
    EVICTION = "eviction"
    """Removed to keep a budget."""
    EXPIRY = "expiry"
    """Removed because its time was over."""
    PURGE = "purge"
    """Removed because somebody asked for it."""


_LABELS = ("level", "outcome")
_EVENTS = Counter("packshot_cache_events", "Look-ups and removals by level and outcome.", _LABELS)
_STEPS = Counter("packshot_cache_saved_steps", "UNet steps that were not computed.", _LABELS)
_SECONDS = Counter("packshot_cache_saved_seconds", "Seconds of computing that were saved.", _LABELS)
_BYTES = Gauge(
    "packshot_cache_memory_bytes",
    "Bytes that a process holds in memory.",
    ["level"],
    multiprocess_mode="livesum",
)
_ENTRIES = Gauge(
    "packshot_cache_memory_entries",
    "Entries that a process holds in memory.",
    ["level"],
    multiprocess_mode="livesum",
)


def count(
    level: Level,
    outcome: Outcome,
    *,
    number: int = 1,
    steps_saved: float = 0.0,
    seconds_saved: float = 0.0,
) -> None:
    """Add to a count.

    Args:
        level: Which cache.
        outcome: What happened.
        number: How often; 0 where only what an earlier count saved is known now.
        steps_saved: UNet steps that need not be computed for it.
        seconds_saved: Seconds of computing that it saved, as far as known.
    """
    for counter, amount in ((_EVENTS, number), (_STEPS, steps_saved), (_SECONDS, seconds_saved)):
        if amount:
            counter.labels(level.value, outcome.value).inc(amount)


def hold(level: Level, *, size: int, entries: int) -> None:
    """Record how many bytes and entries a cache in memory holds now."""
    _BYTES.labels(level.value).set(size)
    _ENTRIES.labels(level.value).set(entries)
