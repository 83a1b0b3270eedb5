"""Images of bundles beside those of diffusers, for real layouts and every scheduler.

    python -m benchmarks.parity [--write docs/models.md]

The models are tiny and random, in the layouts and with the configurations of real ones
(`benchmarks/layouts.py`); weights, seed, prompt, steps and guidance are the same, and both compute
in FP32. A figure is the PSNR of the image in dB; 100 means equal.
"""

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.layouts import LAYOUTS, RealLayout, save_layout
from core.domain.schedulers import SCHEDULERS
from modelkit.evaluation.parity import PROMPT, SEED
from modelkit.evaluation.scheduler_parity import compare_schedulers
from modelkit.export.build import build

BEGIN, END = "<!-- parity: begin -->", "<!-- parity: end -->"
"""Between these lines of a document the table stands."""

NEGATIVE = "blue wood"

Decibels = Mapping[str, float | None]
"""By scheduler; None where the model cannot be drawn with it, in diffusers either."""


def measure(layout: RealLayout, folder: Path) -> Decibels:
    """Draw an image with every scheduler, with packshot and with diffusers.

    Args:
        layout: The kind of model.
        folder: Gets the model and its bundle.

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
        schedulers=list(SCHEDULERS),
    )
    return {scheduler: one.decibels for scheduler, one in found.items()}


def table(rows: Mapping[str, Decibels]) -> str:
    """Return the matrix in Markdown."""
    lines = ["| model | " + " | ".join(SCHEDULERS) + " |", "| --- |" + " --- |" * len(SCHEDULERS)]
    for name, found in rows.items():
        cells = ["—" if value is None else f"{value:.0f}" for value in found.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


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
    options = parser.parse_args()
    rows: dict[str, Decibels] = {}
    for layout in LAYOUTS:
        with tempfile.TemporaryDirectory() as folder:
            rows[layout.name] = measure(layout, Path(folder))
        print(layout.name, dict(rows[layout.name]), file=sys.stderr, flush=True)
    content = table(rows)
    print(content)
    if options.write:
        write(options.write, content)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    main()
