"""How long an answer is valid, by what its server said (RFC 9111, sections 4.2 and 5)."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LEAST = timedelta(minutes=5)
"""Valid whatever the server says: the rows of one sheet ask once for what they share."""
MOST = timedelta(days=30)
"""Valid at most."""
GUESSED_MOST = timedelta(days=1)
"""Valid at most where the server says no time, but when the file was changed."""

_MAX_AGE = re.compile(r"(?:^|[,\s])max-age\s*=\s*\"?([0-9]{1,10})", re.IGNORECASE)
_AGE = re.compile(r"[0-9]{1,10}")


def fresh_until(headers: Mapping[str, str], *, now: datetime) -> datetime:
    """Return until when a photograph need not be asked for again.

    Args:
        headers: The answer's, names in lower case.
        now: When it came.
    """
    return now + min(MOST, max(LEAST, _lifetime(headers, now)))


def _lifetime(headers: Mapping[str, str], now: datetime) -> timedelta:
    said = headers.get("cache-control", "").lower()
    if re.search(r"\bno-(cache|store)\b", said):
        return timedelta()
    date = _read(headers.get("date")) or now
    age = headers.get("age", "").strip()
    spent = timedelta(seconds=int(age)) if _AGE.fullmatch(age) else timedelta()
    if found := _MAX_AGE.search(said):
        return timedelta(seconds=int(found[1])) - spent
    if "expires" in headers:
        # What is no date has expired (5.3).
        expires = _read(headers["expires"])
        return expires - date - spent if expires else timedelta()
    changed = _read(headers.get("last-modified"))
    return min(GUESSED_MOST, (date - changed) / 10) - spent if changed else timedelta()


def _read(text: str | None) -> datetime | None:
    """Read a date of HTTP; None where it is none."""
    if not text:
        return None
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
