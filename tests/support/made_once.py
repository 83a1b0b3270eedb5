"""What is made once in a run of the tests, by whichever of its processes asks first."""

import fcntl
import hashlib
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any


class MadeOnce:
    """Folders of one run, under digests of what they are made of; nobody may change them."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def source(self, *, seed: int = 0, levels: int = 4) -> Path:
        """Return the microscopic model in diffusers' layout; `levels` is its autoencoder's."""

        def make(folder: Path) -> None:
            from tests.support.microscopic import save_microscopic

            save_microscopic(folder, seed=seed, levels=levels)

        return self.folder(f"source {seed} {levels}", make)

    def bundle(self, source: Path | None = None, **options: Any) -> Path:
        """Return a bundle of a source, or of the microscopic model, built with these options."""

        def make(folder: Path) -> None:
            from modelkit.export.build import build

            build(source or self.source(), folder, **options)

        named = ", ".join(f"{name}={options[name]!r}" for name in sorted(options))
        return self.folder(f"bundle {source} {named}", make)

    def folder(self, what: str, make: Callable[[Path], None]) -> Path:
        """Return a folder `tiny`, made unless it is there; other processes wait meanwhile."""
        around = self.root / hashlib.sha256(what.encode()).hexdigest()[:16]
        around.mkdir(parents=True, exist_ok=True)
        made, unfinished = around / "tiny", around / "unfinished"
        with (around / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                shutil.rmtree(unfinished, ignore_errors=True)
                with warnings.catch_warnings():
                    # Of the model libraries about themselves.
                    warnings.simplefilter("ignore")
                    make(unfinished / "tiny")
                (unfinished / "tiny").rename(made)
        return made
