"""The lanes: which queue a piece of work waits in."""

from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class Lane(StrEnum):
    """Served in this order."""

    INTERACTIVE = "interactive"
    """Somebody watches the screen."""
    STANDARD = "standard"
    """An ordinary sheet."""
    BULK = "bulk"
    """A sheet that may take all night."""


class Message(NamedTuple):
    """What wakes a worker up for one generation, and where it is sent."""

    generation_id: UUID
    lane: Lane
    first: bool = False
    """To the lane's first queue: its key has next to nothing in the lane."""


FIRST = 4
"""Generations that are queued or running in a lane while messages still go to the lane's first
queue: of a key, and of all of a tenant's keys that have no more than that."""
