"""How every benchmark shows its figures: a table for people, then one JSON line."""

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from core.cpus import usable_cpus


def machine() -> dict[str, Any]:
    """Describe what the figures were measured on."""
    model = platform.processor()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return {
        "cpu": model,
        "cores": usable_cpus(),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Write a median with its smallest and largest value."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def percentile(values: Sequence[float], percent: float) -> float:
    """Give the smallest value that `percent` of all values do not exceed."""
    ordered = sorted(values)
    rank = max(0, min(len(ordered) - 1, round(percent / 100 * len(ordered) + 0.5) - 1))
    return ordered[rank]


def show(title: str, rows: Sequence[Mapping[str, Any]], result: Mapping[str, Any]) -> None:
    """Print rows of equal keys as a table, and the whole result as the last line."""
    console = Console(width=120)
    table = Table(title=title, title_justify="left")
    for number, name in enumerate(rows[0]):
        table.add_column(name, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    console.print(table)
    print(json.dumps({"benchmark": title, "machine": machine()} | dict(result), default=str))
