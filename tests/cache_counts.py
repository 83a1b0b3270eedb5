"""What this process's caches counted since a moment."""

from prometheus_client import REGISTRY

from core.cache_metrics import Level, Outcome
from core.cache_stats import Amount

Counts = dict[tuple[Level, Outcome], Amount]

_NAMES = tuple(
    f"packshot_cache_{name}_total" for name in ("events", "saved_steps", "saved_seconds")
)


class CacheCounts:
    """Begins where it is made; each `take` begins anew."""

    def __init__(self) -> None:
        self._before = _read()

    def take(self) -> Counts:
        """Return what was counted since the last time, without what was not."""
        before, self._before = self._before, _read()
        grown = {
            key: tuple(now - then for now, then in zip(values, before[key], strict=True))
            for key, values in self._before.items()
        }
        return {
            key: Amount(number=int(number), steps_saved=steps, seconds_saved=seconds)
            for key, (number, steps, seconds) in grown.items()
            if number or steps or seconds
        }


def _read() -> dict[tuple[Level, Outcome], tuple[float, ...]]:
    return {
        (level, outcome): tuple(
            REGISTRY.get_sample_value(name, {"level": level.value, "outcome": outcome.value}) or 0.0
            for name in _NAMES
        )
        for level in Level
        for outcome in Outcome
    }
