"""The lanes: which queue a piece of work waits in."""

from enum import StrEnum


class Lane(StrEnum):
    """Served in this order."""

    INTERACTIVE = "interactive"
    """Somebody watches the screen."""
    STANDARD = "standard"
    """An ordinary sheet."""
    BULK = "bulk"
    """A sheet that may take all night."""
