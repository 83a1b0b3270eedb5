"""Which failed images may succeed later: the codes of all that fails, for who only reads them."""

from core.errors import RETRY_HELPS
from core.pictures import photograph_errors
from core.sources import fetch_errors

__all__ = ["IMPORTED", "RETRY_HELPS"]

IMPORTED = (photograph_errors, fetch_errors)
"""Modules whose errors note themselves in `core.errors.RETRY_HELPS`."""
