"""Measurements of an interrupted build, kept so that the next one need not repeat them."""

import json
import os
from collections.abc import Callable
from pathlib import Path


class Notes:
    """Figures by name, in a JSON file that is whole at any time."""

    def __init__(self, file: Path) -> None:
        """Read what is there; a file that cannot be read counts as none."""
        self._file = file
        self._figures: dict[str, float] = {}
        try:
            self._figures = {str(k): float(v) for k, v in json.loads(file.read_bytes()).items()}
        except (OSError, ValueError, AttributeError, TypeError):
            return

    def get(self, name: str, measure: Callable[[], float]) -> float:
        """Return the figure of that name, measured now unless it was before."""
        if name not in self._figures:
            self._figures[name] = measure()
            aside = self._file.with_suffix(".part")
            aside.write_text(json.dumps(self._figures, indent=1), encoding="utf-8")
            os.replace(aside, self._file)
        return self._figures[name]
