"""Images of bundles beside those of diffusers, for real layouts and every scheduler.

    python -m benchmarks.parity [--write docs/models.md] [--layout NAME] [--scheduler NAME]

The models are tiny and random, in the layouts and with the configurations of real ones
(`benchmarks/layouts.py`); weights, seed, prompt, steps and guidance are the same, and both compute
in FP32. A figure is the PSNR of the image in dB; 100 means equal. Some layouts or schedulers alone
change their own cells of the document's table.
"""

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.drawn_over import draw_over
from benchmarks.layouts import LAYOUTS, RealLayout, save_layout
from core.domain.schedulers import SCHEDULERS
from modelkit.evaluation.parity import PROMPT, SEED
from modelkit.evaluation.scheduler_parity import compare_schedulers
from modelkit.export.build import build

BEGIN, END = "<!-- parity: begin -->", "<!-- parity: end -->"
"""Between these lines of a document the table stands."""

NEGATIVE = "blue wood"

PICTURE, MASK = "over a picture", "with a mask"
"""Columns of images that are drawn over a picture, with one scheduler: `benchmarks.drawn_over`."""

COLUMNS = (*SCHEDULERS, PICTURE, MASK)

NOT_MEASURED = "not measured"

Decibels = Mapping[str, float | None]
"""By column; None where the model cannot be drawn so, in diffusers either."""


def measure(
    layout: RealLayout, folder: Path, schedulers: Sequence[str] = tuple(SCHEDULERS)
) -> Decibels:
    """Draw an image with every scheduler and over a picture, with packshot and with diffusers.

    Args:
        layout: The kind of model.
        folder: Gets the model and its bundle.
        schedulers: Their names.

    Raises:
        BundleError: The bundle cannot be built, or cannot draw what diffusers draws.
    """
    source = save_layout(layout, folder / "source")
    manifest = build(source, folder / "bundle", precision="fp32")
    found = compare_schedulers(
        folder / "bundle",
        manifest,
        source,
        prompts=[PROMPT],
        first_seed=SEED,
        drawn=manifest.defaults.model_copy(update={"negative_prompt": NEGATIVE}),
        schedulers=schedulers,
    )
    over = draw_over(folder / "bundle", source, manifest.defaults, negative_prompt=NEGATIVE)
    by_scheduler = {scheduler: one.decibels for scheduler, one in found.items()}
    return by_scheduler | {PICTURE: over.picture, MASK: over.mask}


def table(rows: Mapping[str, Decibels], before: str = "") -> str:
    """Return the matrix in Markdown.

    Args:
        rows: What was measured, by model.
        before: An older one; what was not measured stands there, if anywhere.
    """
    cells = _cells(before)
    for name, found in rows.items():
        written = {column: _written(value) for column, value in found.items()}
        cells[name] = cells.get(name, {}) | written
    names = [one.name for one in LAYOUTS if one.name in cells]
    names += [name for name in rows if name not in names]
    lines = ["| model | " + " | ".join(COLUMNS) + " |", "| --- |" + " --- |" * len(COLUMNS)]
    for name in names:
        row = [cells[name].get(column, NOT_MEASURED) for column in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def _written(value: float | None) -> str:
    return "—" if value is None else f"{value:.0f}"


def _cells(text: str) -> dict[str, dict[str, str]]:
    """Read a matrix in Markdown: cells by model and column."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    if not rows:
        return {}
    heading, _, *models = rows
    return {row[0]: dict(zip(heading[1:], row[1:], strict=True)) for row in models}


def read(document: Path) -> str:
    """Return what stands between a document's two lines."""
    text = document.read_text(encoding="utf-8")
    return text.partition(BEGIN)[2].partition(END)[0]


def write(document: Path, content: str) -> None:
    """Put the table into a document, between its two lines."""
    text = document.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    document.write_text(
        pattern.sub(lambda _: f"{BEGIN}\n\n{content}\n\n{END}", text), encoding="utf-8"
    )


def main() -> None:
    """Measure, print the table, and put it into a document if one is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="A document with the table's two lines.")
    parser.add_argument("--layout", action="append", choices=[one.name for one in LAYOUTS])
    parser.add_argument("--scheduler", action="append", choices=list(SCHEDULERS))
    options = parser.parse_args()
    rows: dict[str, Decibels] = {}
    for layout in LAYOUTS:
        if options.layout and layout.name not in options.layout:
            continue
        with tempfile.TemporaryDirectory() as folder:
            chosen = options.scheduler or tuple(SCHEDULERS)
            rows[layout.name] = measure(layout, Path(folder), chosen)
        print(layout.name, dict(rows[layout.name]), file=sys.stderr, flush=True)
    content = table(rows, read(options.write) if options.write else "")
    print(content)
    if options.write:
        write(options.write, content)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
