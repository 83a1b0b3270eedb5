"""What the processes of one API know of each other."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Family:
    """Some processes that answer requests at one address, and one for sheets."""

    first: int
    """Process id of the one that started the others."""
    sheets_port: int
    """Where sheets are passed on to, on loopback."""
