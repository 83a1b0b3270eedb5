"""When a message is sent again, and what an answer means; pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from core.webhooks.attempts import AttemptVerdict

MINUTE, HOUR = 60.0, 3600.0
DELAYS = (
    5.0, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR,
)  # fmt: skip
"""Seconds after each failed attempt until the next; the first attempt is made at once."""
JITTER = 0.2
"""Most of a delay that chance adds to it, so that what failed together comes back apart."""
LONGEST_WAIT = 24 * HOUR
"""Seconds of a Retry-After that are honoured."""
THROTTLING = frozenset({429, 502, 503, 504})
"""Statuses whose Retry-After is about the whole receiver."""
GONE = 410


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What follows from one attempt."""

    verdict: AttemptVerdict
    error: str | None = None
    delay_seconds: float = 0.0
    pause_seconds: float = 0.0
    """How long the receiver wants to be left alone."""


def decide(
    attempt: int, status: int, headers: Mapping[str, str], *, chance: Callable[[], float]
) -> Decision:
    """Decide after an answer.

    Args:
        attempt: Which it was, from 1.
        status: The HTTP status; 2xx alone is a success.
        headers: The answer's, names in lower case.
        chance: Gives numbers from 0 to 1.
    """
    if 200 <= status < 300:
        return Decision(verdict=AttemptVerdict.DELIVERED)
    if status == GONE:
        return Decision(
            verdict=AttemptVerdict.GONE, error="It answered 410: nothing is wanted any more."
        )
    error = f"It answered {status}."
    if 300 <= status < 400:
        error = f"It answered {status}; redirects are not followed."
    wait = retry_after(headers.get("retry-after", "")) if status in THROTTLING else 0.0
    return retry(attempt, error, chance=chance, at_least=wait)


def retry(
    attempt: int, error: str, *, chance: Callable[[], float], at_least: float = 0.0
) -> Decision:
    """Decide after a failed attempt: another one, later, or none."""
    if attempt > len(DELAYS):
        return Decision(verdict=AttemptVerdict.GIVEN_UP, error=error)
    delay = max(DELAYS[attempt - 1] * (1 + JITTER * chance()), at_least)
    return Decision(
        verdict=AttemptVerdict.RETRY, error=error, delay_seconds=delay, pause_seconds=at_least
    )


def retry_after(value: str) -> float:
    """Read a Retry-After (RFC 9110, section 10.2.3): seconds or a date; 0 when it is neither."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        # Nobody means more digits than these.
        return min(float(value[:9]), LONGEST_WAIT)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - datetime.now(UTC)).total_seconds(), 0.0), LONGEST_WAIT)
