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
        self._at_start = batch.finished
        self._begun: float | None = None
        """When the first image was under way; before that the worker loads its model."""
        self._said = time.monotonic()

    def update(self, batch: Batch) -> None:
        """Show where the batch stands."""
        self._progress.update(self._task, completed=batch.finished, description=_description(batch))
        now = time.monotonic()
        if self._begun is None and _is_under_way(batch):
            self._begun = now
        due = now - self._said >= LINE_SECONDS or batch.finished == batch.total
        if due and not stderr.is_terminal:
            waiting = f", {waits}" if (waits := _waiting(batch)) else ""
            say(f"{batch.finished} of {batch.total} images{self._rate(batch, now)}{waiting}")
            self._said = now

    def _rate(self, batch: Batch, now: float) -> str:
        computed = batch.finished - self._at_start
        if self._begun is None or not computed:
            return ""
        return f", {computed * 60 / max(now - self._begun, 0.1):.0f} images/min"

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


def _is_under_way(batch: Batch) -> bool:
    return bool(batch.counts.get("running")) or batch.finished > 0


def _description(batch: Batch) -> str:
    failed = batch.counts.get("failed", 0)
    if failed:
        return f"{failed} failed"
    if batch.finished == batch.total:
        return "done"
    if waits := _waiting(batch):
        return waits
    return "images" if _is_under_way(batch) else "waiting for a worker"


def _waiting(batch: Batch) -> str:
    """Return what to do about images that no worker will make, or nothing."""
    if not batch.waiting_for_model:
        return ""
    return (
        f"{batch.waiting_for_model} wait for a model that no worker serves "
        "(see `packshot model requeue`)"
    )
