"""How a batch comes along: a bar on a terminal, a line now and then elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from cli.console import say, stderr
from cli.records import Batch

LINE_SECONDS = 10.0
"""How often a log file gets a line."""


class RateColumn(ProgressColumn):
    """Images per minute, over the last half minute."""

    def render(self, task: Task) -> Text:
        """Draw it."""
        if not task.speed:
            return Text("– images/min")
        return Text(f"{task.speed * 60:.0f} images/min")


class BatchProgress:
    """The progress of one batch; a context manager, and what a Collector tells."""

    def __init__(self, batch: Batch) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            RateColumn(),
            TimeElapsedColumn(),
            TextColumn("· left"),
            TimeRemainingColumn(),
            console=stderr,
            disable=not stderr.is_terminal,
        )
        # What a cache answered at once says nothing about the speed.
        self._task = self._progress.add_task(
            _description(batch), total=batch.total, completed=batch.finished
        )
        self._started = self._said = time.monotonic()
        self._at_start = batch.finished

    def update(self, batch: Batch) -> None:
        """Show where the batch stands."""
        self._progress.update(self._task, completed=batch.finished, description=_description(batch))
        now = time.monotonic()
        due = now - self._said >= LINE_SECONDS or batch.finished == batch.total
        if due and not stderr.is_terminal:
            rate = (batch.finished - self._at_start) * 60 / max(now - self._started, 1e-3)
            say(f"{batch.finished} of {batch.total} images, {rate:.0f} images/min")
            self._said = now

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()


def _description(batch: Batch) -> str:
    """Say what it waits for: nothing runs until the worker has loaded its model."""
    failed = batch.counts.get("failed", 0)
    if failed:
        return f"{failed} failed"
    if batch.finished == batch.total:
        return "done"
    return "images" if batch.counts.get("running") or batch.finished else "waiting for a worker"
