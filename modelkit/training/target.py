"""Where a training leaves its result, and where it works until then."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.errors import BundleError
from modelkit.progress import Progress
from modelkit.training.course import Course
from modelkit.training.recipe import Recipe

SETTINGS = "settings.json"
CHECKPOINT = "checkpoint.pt"


class Target:
    """A folder that appears whole when the training is over, and a hidden one beside it."""

    def __init__(self, out: Path, *, settings: dict[str, Any], resume: bool) -> None:
        """Make the working folder, or find the one of an interrupted training.

        Args:
            out: The result's folder; must not exist.
            settings: What decides the result besides chance and time, as plain values; an
                interrupted training goes on only with the same.
            resume: Whether to go on with an interrupted training, if there is one.

        Raises:
            BundleError: `out` exists, or an interrupted training is there and was not asked for,
                or was begun with other settings.
        """
        self.out = out
        self.work = out.absolute().parent / f".{out.name}-training"
        self.resume = resume
        if out.exists():
            raise BundleError(f"{out} exists: choose another folder with --out, or remove it")
        known = self.work / SETTINGS
        if known.is_file():
            self._compare(json.loads(known.read_bytes()), settings)
        self.work.mkdir(parents=True, exist_ok=True)
        known.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")

    @property
    def checkpoint(self) -> Path:
        """Where the training's state is kept."""
        return self.work / CHECKPOINT

    def course(self, name: str, recipe: Recipe, say: Progress) -> Course:
        """Begin the training of this name, or go on with it."""
        return Course(
            name,
            self.checkpoint,
            minutes=recipe.minutes,
            steps=recipe.steps,
            resume=self.resume,
            say=say,
        )

    def publish(self, write: Callable[[Path], None]) -> None:
        """Let `write` fill a folder, rename it to `out`, and remove the working folder."""
        aside = Path(tempfile.mkdtemp(prefix=f".{self.out.name}-", dir=self.work.parent))
        # mkdtemp's 0700 would keep others out.
        aside.chmod(0o755)
        try:
            write(aside)
            os.replace(aside, self.out)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(self.work, ignore_errors=True)

    def _compare(self, before: dict[str, Any], now: dict[str, Any]) -> None:
        begun = self.checkpoint.is_file()
        if begun and not self.resume:
            raise BundleError(
                f"an interrupted training for {self.out} is in {self.work}: "
                "go on with it by --resume, or remove that folder"
            )
        # Through JSON and back, as the other one came.
        fresh = json.loads(json.dumps(now))
        other = [name for name in fresh if fresh[name] != before.get(name)]
        if begun and other:
            raise BundleError(
                f"the interrupted training in {self.work} was begun with another "
                f"{' and another '.join(other)}: give what it was begun with, or remove that folder"
            )
