"""Signing secrets, in the form of Standard Webhooks 1.0."""

import base64
import secrets
from datetime import datetime, timedelta

from core.db.models.webhook import SigningSecret

PREFIX = "whsec_"
_BYTES = 32


def make_secret() -> str:
    """Make a secret: 256 random bits behind the prefix."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def rotate(holder: SigningSecret, *, now: datetime, overlap_seconds: float) -> str:
    """Replace a holder's secret; the present one goes on signing for so long, no older one.

    Returns:
        The new secret.
    """
    holder.previous_secret = holder.secret if overlap_seconds else None
    holder.previous_until = now + timedelta(seconds=overlap_seconds) if overlap_seconds else None
    holder.secret = make_secret()
    return holder.secret


def active_secrets(holder: SigningSecret, now: datetime) -> list[str]:
    """Return the secrets that sign at a time, the newest first."""
    found = [holder.secret]
    if holder.previous_secret and holder.previous_until and holder.previous_until > now:
        found.append(holder.previous_secret)
    return found
