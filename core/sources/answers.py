"""What a server's answer to a request for a photograph means."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from core.egress.download import DownloadHead
from core.egress.politeness import LONGEST_REST
from core.egress.url import Destination
from core.sources.fetch_errors import (
    PhotographMissingError,
    PhotographRefusedError,
    PhotographServerFailedError,
)

_BUSY = frozenset({429, 503})
_PASSING = frozenset({408, 425, 429})
"""Refusals that are over by and by."""

_REST_SECONDS = 5.0
"""How long a host that is busy is left alone, if it does not say."""


def check_answer(head: DownloadHead, target: Destination) -> None:
    """Check that an answer is a whole file as it is.

    Raises:
        PhotographMissingError: There is none (404, 410).
        PhotographRefusedError: It is given to nobody, or not to us.
        PhotographServerFailedError: The server fails, or asks to come later.
    """
    status, host = head.status, target.host
    if status in (404, 410):
        raise PhotographMissingError(
            f"{host} has no photograph at this address ({status}). Correct the address, or send "
            "the file."
        )
    if status in _PASSING or status >= 500:
        raise PhotographServerFailedError(f"{host} answers {status}. Try again later.")
    if status != 200:
        raise PhotographRefusedError(
            f"{host} refuses to give the photograph ({status}). Name an address that needs no "
            "login."
        )
    coding = head.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        raise PhotographRefusedError(
            f"{host} sends the photograph in the coding {coding[:20]!r}, which nobody asked for. "
            "Name another address, or send the file."
        )


def rest_seconds(head: DownloadHead) -> float:
    """Return for how many seconds a server asks to be left alone; 0: it does not."""
    if head.status not in _BUSY:
        return 0.0
    said = head.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return min(float(said[:6]), LONGEST_REST)
    try:
        date = parsedate_to_datetime(said)
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return _REST_SECONDS
    return min(max(0.0, (date - datetime.now(UTC)).total_seconds()), LONGEST_REST)
