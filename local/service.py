"""What the supervisor is told to run beside the infrastructure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum


class Restart(Enum):
    """What happens when a service's process ends."""

    ONCE = "once"
    """It must end, with exit code 0, before the next service starts (a migration)."""
    ALWAYS = "always"
    """It is started again, ever later if it keeps ending at once (a worker recycles)."""
    NEVER = "never"
    """The whole stack stops, and says which service it was."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """One process of the application."""

    name: str
    """What people call it; also the name of its log file."""
    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Added to the supervisor's own variables and the stack's settings."""
    restart: Restart = Restart.ALWAYS
    ready: Callable[[], bool] | None = None
    """Polled after the start, may raise; None: it counts as ready at once."""
    ready_seconds: float = 60.0
    """How long it may take to become ready, or with `Restart.ONCE` to end."""
    stop_seconds: float = 30.0
    """How long it may take to end after SIGTERM before it is killed."""
    niceness: int = 0
    """How far it lets other processes go first (nice(2)), where cores are short."""
