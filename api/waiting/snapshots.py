"""Which transactions a reader has seen, so that nothing is told twice or left out.

`finished_at` cannot say that: it is when a transaction began, and one that began earlier may become
visible later. Postgres's own snapshots can (PostgreSQL, section 9.27.8, `pg_snapshot`).
"""

import re
from dataclasses import dataclass
from typing import Self

from core.errors import InvalidRequestError

_NUMBER = "[0-9]{1,18}"
_SNAPSHOT = re.compile(f"({_NUMBER}):({_NUMBER}):((?:{_NUMBER}(?:,{_NUMBER})*)?)")
_WRITTEN = f"{_NUMBER}:{_NUMBER}:({_NUMBER}(,{_NUMBER})*)?"
EVENT_ID = f"^({_WRITTEN}(~end|~[0-9]{{1,9}}~({_WRITTEN})?)?)?$"
"""What an id looks like, as JSON Schema says it."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Which transactions had ended when it was taken."""

    xmin: int
    """All below it had."""
    xmax: int
    """None from it on had."""
    running: frozenset[int] = frozenset()
    """Those between that had not."""

    @classmethod
    def read(cls, text: str) -> Self:
        """Read Postgres's text of one: `10:20:10,14`.

        Raises:
            ValueError: It is none.
        """
        found = _SNAPSHOT.fullmatch(text)
        if found is None:
            raise ValueError(text)
        running = frozenset(int(one) for one in found[3].split(",") if one)
        return cls(xmin=int(found[1]), xmax=int(found[2]), running=running)

    def __str__(self) -> str:
        return f"{self.xmin}:{self.xmax}:{','.join(map(str, sorted(self.running)))}"


@dataclass(frozen=True, kw_only=True)
class EventId:
    """What a client has been told of a batch: the `id` of an event, and its `Last-Event-ID`."""

    seen: Snapshot | None = None
    """It knows all jobs that this snapshot shows as finished; None: it knows none."""
    reading: Snapshot | None = None
    """While it is told what another one shows beside."""
    position: int = -1
    """The last one of those in the sheet's order that it was told."""
    is_end: bool = False
    """Whether it was told that the batch has ended."""

    def __str__(self) -> str:
        if self.reading is not None:
            return f"{self.reading}~{self.position}~{self.seen or ''}"
        return f"{self.seen or ''}{'~end' if self.is_end else ''}"

    @classmethod
    def read(cls, text: str | None) -> Self:
        """Read what a client sent; None or nothing: it knows nothing.

        Raises:
            InvalidRequestError: No server made it.
        """
        if not text:
            return cls()
        if not re.fullmatch(EVENT_ID, text):
            raise InvalidRequestError(
                "Last-Event-ID is not valid. Send the `id` of the last event unchanged, or none to "
                "be told everything."
            )
        match text.split("~"):
            case [reading, position, seen]:
                return cls(
                    seen=Snapshot.read(seen) if seen else None,
                    reading=Snapshot.read(reading),
                    position=int(position),
                )
            case [seen, *end]:
                return cls(seen=Snapshot.read(seen), is_end=bool(end))
        raise AssertionError(text)
