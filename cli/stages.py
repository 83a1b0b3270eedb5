"""How long work comes along, stage by stage: bars on a terminal, a line now and then elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from cli.console import say, stderr

LINE_SECONDS = 30.0
"""How often a log file hears of a stage that goes on."""


class Stages:
    """A `modelkit.progress.Progress` that shows; a context manager.

    On a terminal each stage has a bar, with the time that it took or will take. Elsewhere each
    stage is a line, and long ones say now and then how far they are.
    """

    def __init__(self) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("· left"),
            TimeRemainingColumn(),
            console=stderr,
            disable=not stderr.is_terminal,
        )
        self._task: TaskID | None = None
        self._name = ""
        self._total: int | None = None
        self._done = 0
        self._begun = self._said = time.monotonic()

    def stage(self, name: str, total: int | None) -> None:
        """Begin the next stage; the one before is over."""
        self._finish()
        self._name, self._total, self._done = name, total, 0
        self._begun = self._said = time.monotonic()
        self._task = self._bars.add_task(name, total=total)
        if not stderr.is_terminal:
            say(f"{name} …")

    def advance(self, n: int = 1) -> None:
        """Count `n` more of the stage's pieces as done."""
        self._done += n
        if self._task is not None:
            self._bars.advance(self._task, n)
        now = time.monotonic()
        if not stderr.is_terminal and now - self._said >= LINE_SECONDS:
            self._said = now
            say(f"{self._name}: {self._done}{self._outlook(now)}")

    def _outlook(self, now: float) -> str:
        if not self._total:
            return ""
        left = (now - self._begun) / self._done * max(0, self._total - self._done)
        return f" of {self._total}, about {left:.0f} s left"

    def _finish(self) -> None:
        """Show the stage as over, though it may have taken less than it announced."""
        if self._task is not None:
            self._bars.update(self._task, total=self._done, completed=self._done)
            self._bars.stop_task(self._task)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self._finish()
        self._bars.stop()
