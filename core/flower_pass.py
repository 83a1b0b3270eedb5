"""What lets people who are signed in to the workbench look at Flower without its password.

The API and Flower share a login, `user:password`, and nothing else: a pass is the second at which
it ends and a code over that second (HMAC-SHA256, RFC 2104), whose key is the login.
"""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from enum import StrEnum


class Kind(StrEnum):
    """What a pass is for; none stands for another."""

    TICKET = "ticket"
    """In the address that leads from the workbench to Flower, where logs and histories keep it."""
    VISIT = "visit"
    """In the cookie that Flower gives for it."""


LIFETIMES = {Kind.TICKET: timedelta(minutes=1), Kind.VISIT: timedelta(hours=1)}


def make_pass(kind: Kind, login: str) -> str:
    """Make a pass that begins now.

    Args:
        kind: What for; it says how long.
        login: `user:password` of Flower.

    Returns:
        Letters, digits and a dot: it needs no quoting in addresses and cookies.
    """
    end = int((datetime.now(UTC) + LIFETIMES[kind]).timestamp())
    return f"{end}.{_code(kind, end, login)}"


def is_valid(text: str, kind: Kind, login: str) -> bool:
    """Check whether a text is a pass of this kind and login that has not ended."""
    sent, _, code = text.partition(".")
    if not (sent.isascii() and sent.isdigit() and len(sent) <= 12):
        return False
    is_ours = hmac.compare_digest(code.encode(), _code(kind, int(sent), login).encode())
    return is_ours and datetime.now(UTC).timestamp() < int(sent)


def _code(kind: Kind, end: int, login: str) -> str:
    message = f"packshot flower {kind} {end}"
    return hmac.new(login.encode(), message.encode(), hashlib.sha256).hexdigest()
