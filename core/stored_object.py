"""What is known of an object in S3 before it is read."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """What was written."""

    key: str
    digest: str
    """SHA-256 of the bytes, hex."""
    size: int
    """Bytes."""


class Stored(Protocol):
    """What is known of an object, by its row or since it was written."""

    @property
    def key(self) -> str:
        """Return its key in the bucket."""

    @property
    def digest(self) -> str:
        """Return the SHA-256 of its bytes, hex."""

    @property
    def size(self) -> int:
        """Return how many bytes it has."""
