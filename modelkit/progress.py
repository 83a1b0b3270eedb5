"""How a long piece of work tells how far it is, whoever shows it and however."""

from typing import Protocol


class Progress(Protocol):
    """What long work reports to; the command shows it, tests and libraries need not."""

    def stage(self, name: str, total: int | None) -> None:
        """Begin the next stage; the one before is over.

        Args:
            name: What happens now, in a few words ("calibrate the UNet").
            total: How many `advance`s it takes; None when nobody knows.
        """

    def advance(self, n: int = 1) -> None:
        """Count `n` more of the stage's pieces as done."""


class Silent:
    """A `Progress` that shows nothing."""

    def stage(self, name: str, total: int | None) -> None:
        """Begin the next stage."""

    def advance(self, n: int = 1) -> None:
        """Count pieces as done."""
