"""Wait until every model of `PACKSHOT_MODELS` has its bundle on the volume."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from core.settings import get_settings

PAUSE_SECONDS = 2


def missing(folders: Sequence[Path]) -> Sequence[Path]:
    """Return the folders without a bundle; its manifest is written last."""
    return [folder for folder in folders if not (folder / "manifest.json").is_file()]


def main() -> None:
    """Wait, and say for what."""
    # The first process of a container ignores a signal that it does not handle.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    folders = list(get_settings().models.values())
    said: Sequence[Path] = []
    while absent := missing(folders):
        if absent != said:
            names = ", ".join(map(str, absent))
            print(f"waiting: there is no bundle at {names}", file=sys.stderr, flush=True)
        said = absent
        time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main()
