"""How long work comes along: bars on a terminal, a line now and then elsewhere."""

import time
from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from cli.client.records import BatchRecord
from cli.console import say, stderr


class _Shown:
    """rich's bars, or lines; a context manager."""

    line_seconds: float
    """How often a log file gets a line."""

    def __init__(self, *columns: ProgressColumn) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            *columns,
            TimeElapsedColumn(),
            TextColumn("· left"),
            TimeRemainingColumn(),
            console=stderr,
            disable=not stderr.is_terminal,
        )
        self._said = time.monotonic()

    def _line(self, text: str, *, at_once: bool = False) -> None:
        """Report where the work stands, where there is no terminal and a line is due."""
        now = time.monotonic()
        if not stderr.is_terminal and (at_once or now - self._said >= self.line_seconds):
            say(text)
            self._said = now

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._bars.stop()


class ShownStages(_Shown):
    """A `modelkit.progress.Progress` that shows each stage, with the time that it takes."""

    line_seconds = 30.0

    def __init__(self) -> None:
        super().__init__()
        self._task: TaskID | None = None
        self._name = ""
        self._total: int | None = None
        self._done = 0
        self._begun = time.monotonic()

    def stage(self, name: str, total: int | None) -> None:
        """Begin the next stage; the one before is over."""
        self._finish()
        self._name, self._total, self._done = name, total, 0
        self._begun = time.monotonic()
        self._task = self._bars.add_task(name, total=total)
        self._line(f"{name} …", at_once=True)

    def advance(self, n: int = 1) -> None:
        """Count `n` more of the stage's pieces as done."""
        self._done += n
        if self._task is not None:
            self._bars.advance(self._task, n)
        self._line(f"{self._name}: {self._done}{self._outlook()}")

    def _outlook(self) -> str:
        if not self._total:
            return ""
        spent = time.monotonic() - self._begun
        left = spent / self._done * max(0, self._total - self._done)
        return f" of {self._total}, about {left:.0f} s left"

    def _finish(self) -> None:
        """Show the stage as over, though it may have taken less than it announced."""
        if self._task is not None:
            self._bars.update(self._task, total=self._done, completed=self._done)
            self._bars.stop_task(self._task)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._finish()
        super().__exit__(kind)


class BatchProgress(_Shown):
    """The progress of one batch; what a Collector tells."""

    line_seconds = 10.0

    def __init__(self, batch: BatchRecord) -> None:
        super().__init__(_Rate())
        # What a cache answered at once says nothing about the speed.
        self._task = self._bars.add_task(
            _description(batch), total=batch.total, completed=batch.finished
        )
        self._at_start = batch.finished
        self._begun: float | None = None
        """When the first image was under way; before that the worker loads its model."""

    def update(self, batch: BatchRecord) -> None:
        """Show where the batch stands."""
        self._bars.update(self._task, completed=batch.finished, description=_description(batch))
        if self._begun is None and _is_under_way(batch):
            self._begun = time.monotonic()
        waiting = f", {waits}" if (waits := _waiting(batch)) else ""
        self._line(
            f"{batch.finished} of {batch.total} images{self._rate(batch)}{waiting}",
            at_once=batch.finished == batch.total,
        )

    def _rate(self, batch: BatchRecord) -> str:
        computed = batch.finished - self._at_start
        if self._begun is None or not computed:
            return ""
        minutes = max(time.monotonic() - self._begun, 0.1) / 60
        return f", {computed / minutes:.0f} images/min"


class _Rate(ProgressColumn):
    """Images per minute, over the last half minute."""

    def render(self, task: Task) -> Text:
        """Draw it."""
        return Text(f"{task.speed * 60:.0f} images/min" if task.speed else "– images/min")


def _is_under_way(batch: BatchRecord) -> bool:
    return bool(batch.counts.get("running")) or batch.finished > 0


def _description(batch: BatchRecord) -> str:
    failed = batch.counts.get("failed", 0)
    if failed:
        return f"{failed} failed"
    if batch.finished == batch.total:
        return "done"
    if waits := _waiting(batch):
        return waits
    return "images" if _is_under_way(batch) else "waiting for a worker"


def _waiting(batch: BatchRecord) -> str:
    """Return what to do about images that no worker will make, or nothing."""
    if not batch.waiting_for_model:
        return ""
    return (
        f"{batch.waiting_for_model} wait for a model that no worker serves "
        "(see `packshot model requeue`)"
    )
