"""What is struck when: drawn by chance, the same for the same seed."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a blow does."""

    KILLED = "killed"
    """SIGKILL."""
    FROZEN = "stopped"
    """SIGSTOP, until it goes on: its clients see silence."""
    SLOW = "slowed"
    """It runs for a moment in turn with a longer one in which it is stopped."""
    FULL = "filled"
    """It answers, and takes nothing that has to be kept."""


KINDS: Mapping[str, Sequence[Kind]] = {
    "s3": (Kind.KILLED, Kind.FROZEN, Kind.SLOW),
    "postgres": (Kind.KILLED, Kind.FROZEN, Kind.SLOW),
    "valkey": (Kind.KILLED, Kind.FROZEN, Kind.FULL),
}
"""What happens to a server, one after the other; all others are killed."""


@dataclass(frozen=True, kw_only=True)
class Blow:
    """Something that happens to one process."""

    at: float
    """Seconds from the start."""
    target: str
    """The process's name."""
    kind: Kind = Kind.KILLED
    away: float = 0.0
    """Seconds until it goes on, or is started again; the supervisor decides for what it watches."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How much is struck."""

    seconds: float
    """In which all blows begin."""
    every: float
    """Seconds between two blows to the same process, on average; there are two at least."""
    outage: float
    """Seconds that S3 is away each time."""
    absence: float
    """Seconds that Valkey and Postgres are away, at most."""
    seed: int = 0


def draw_blows(terms: Terms, *, services: Sequence[str], servers: Sequence[str]) -> list[Blow]:
    """Draw the blows, in the order of their moments: in each part of the time one to each process.

    Args:
        terms: How many, and how hard.
        services: What a supervisor brings back.
        servers: What is away for a while; `s3` for longer.
    """
    chance = random.Random(terms.seed)
    blows = []
    for target in (*services, *servers):
        every = max(terms.every, 2.5 * terms.outage) if target == "s3" else terms.every
        kinds = KINDS.get(target, (Kind.KILLED,))
        number = max(2, round(terms.seconds / every))
        part = terms.seconds / number
        for place in range(number):
            away = 0.0
            if target == "s3":
                away = terms.outage
            elif target in servers:
                away = chance.uniform(0, terms.absence)
            blows.append(
                Blow(
                    # It is back before its next part begins.
                    at=part * place + chance.uniform(0, max(0.0, part - away)),
                    target=target,
                    kind=kinds[place % len(kinds)],
                    away=away,
                )
            )
    return sorted(blows, key=lambda blow: blow.at)
