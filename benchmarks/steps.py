"""Seconds of a UNet step with a full batch: this checkout beside an earlier one, in pairs.

`python -m benchmarks.steps --against CHECKOUT [--rows 8] [--rounds 30] [--precision f32]`

CHECKOUT is another working tree of packshot, such as one of `git worktree add`, with engine and
benchmarks as they were there; both use this interpreter and one bundle of the starter, made here.
Each side makes a full batch of equal rows twice in a round: with few steps, and with many. What the
rest costs is the same, so the difference is that of the steps. Sides take turns at going first.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.processes import Served
from benchmarks.report import percentile, show, spread
from benchmarks.requests import mixed
from core.domain.image_spec import ImageSpec

FEW, MANY = 5, 25
"""Steps of the two batches."""

HERE = Path(__file__).parents[1]


def main() -> None:
    """Compare both checkouts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, required=True, help="the earlier checkout")
    parser.add_argument("--rows", type=int, default=8, help="images of a full batch")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--precision", choices=("auto", "f32", "bf16"), default="f32")
    parser.add_argument("--size", type=int, default=128)
    arguments = parser.parse_args()
    first = mixed(1, width=arguments.size, height=arguments.size)[0]
    row = replace(first, guidance_scale=3.0, scheduler="dpmpp_2m")
    with tempfile.TemporaryDirectory() as temporary:
        bundle = Path(temporary) / "bundle"
        _build(bundle)
        sides = {
            name: _Side(checkout, bundle, row, arguments.rows, arguments.precision)
            for name, checkout in (("before", arguments.against), ("now", HERE))
        }
        found: dict[str, list[float]] = {name: [] for name in sides}
        try:
            for number in range(arguments.rounds):
                for name in list(sides)[:: -1 if number % 2 else 1]:
                    found[name].append(sides[name].step_seconds())
        finally:
            for side in sides.values():
                side.close()
    _show(found, arguments)


class _Side:
    """One checkout's engine, twice: for the short batch and for the long one."""

    def __init__(
        self, checkout: Path, bundle: Path, row: ImageSpec, rows: int, precision: str
    ) -> None:
        self._short, self._long = (
            Served(
                "packshot",
                bundle,
                [replace(row, steps=steps, seed=seed) for seed in range(rows)],
                checkout=checkout,
                row_limit=rows,
                precision=precision,
            )
            for steps in (FEW, MANY)
        )

    def step_seconds(self) -> float:
        """Measure a step, as the mean of those that the long batch has more."""
        short, long = (max(one.make().moments) for one in (self._short, self._long))
        return (long - short) / (MANY - FEW)

    def close(self) -> None:
        self._short.close()
        self._long.close()


def _build(bundle: Path) -> None:
    """Make the starter's bundle, in a process whose memory goes with it."""
    code = (
        "import sys; from pathlib import Path; from modelkit.export.build import build;"
        "from starter import SOURCE; build(SOURCE, Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, str(bundle)], check=True, capture_output=True)


def _show(found: Mapping[str, Sequence[float]], arguments: argparse.Namespace) -> None:
    rows = [
        {
            "checkout": name,
            "ms a step, p50 (least-most)": spread([1000 * one for one in seconds], 2),
            "p95": f"{1000 * percentile(seconds, 95):.2f}",
        }
        for name, seconds in found.items()
    ]
    ratios = [now / before for before, now in zip(found["before"], found["now"], strict=True)]
    title = f"A step of {arguments.rows} guided rows, now / before: {spread(ratios, 3)}"
    show(title, rows, {"seconds": found, "ratio_p50": percentile(ratios, 50)})


if __name__ == "__main__":
    main()
