"""Images a minute and latency by row limit, beside the same prompts one after another.

`python -m benchmarks.batching [--images 48] [--rounds 3] [--precision f32]`

Every contender is a process of its own that loads its model, warms up, then
waits; in each round all of them make the same mixed queue in turn, so that a machine whose speed
drifts is unfair to none.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.processes import Served
from benchmarks.report import percentile, show, spread
from benchmarks.requests import mixed
from starter import SOURCE

ROW_LIMITS = (1, 2, 4, 8, 16)


def main() -> None:
    """Run all contenders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", choices=("auto", "f32", "bf16"), default="auto")
    parser.add_argument("--size", type=int, default=128)
    arguments = parser.parse_args()
    queue = mixed(arguments.images, width=arguments.size, height=arguments.size)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _prepare(folder)
        served = {
            "diffusers": Served("torch_diffusers", SOURCE, queue),
            "optimum": Served("optimum_openvino", folder / "optimum", queue),
        }
        for limit in ROW_LIMITS:
            served[f"packshot:{limit}"] = Served(
                "packshot", folder / "bundle", queue, row_limit=limit,
                precision=arguments.precision,
            )  # fmt: skip
        rounds: dict[str, list[Sequence[float]]] = {name: [] for name in served}
        try:
            for _ in range(arguments.rounds):
                for name, contender in served.items():
                    rounds[name].append(contender.make().moments)
        finally:
            for contender in served.values():
                contender.close()
    _show(rounds, arguments)


def _prepare(folder: Path) -> None:
    """Export the starter as each contender wants it; in a process whose memory goes with it."""
    code = (
        "import sys; from pathlib import Path; from modelkit.export.build import build;"
        "from starter import SOURCE; from optimum.intel import OVStableDiffusionPipeline;"
        "folder = Path(sys.argv[1]); build(SOURCE, folder / 'bundle');"
        "OVStableDiffusionPipeline.from_pretrained(SOURCE, export=True, compile=False)"
        ".save_pretrained(folder / 'optimum')"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, capture_output=True)


def _show(rounds: Mapping[str, Sequence[Sequence[float]]], arguments: argparse.Namespace) -> None:
    rates = {
        name: [len(moments) / max(moments) * 60 for moments in found]
        for name, found in rounds.items()
    }
    best_rival = statistics.median(rates["optimum"])
    rows, result = [], []
    for name, found in rounds.items():
        p50 = [percentile(moments, 50) for moments in found]
        p95 = [percentile(moments, 95) for moments in found]
        ratio = statistics.median(
            own / other for own, other in zip(rates[name], rates["optimum"], strict=True)
        )
        rows.append(
            {
                "contender": name,
                "images/minute": spread(rates[name]),
                "× optimum": f"{ratio:.2f}",
                "p50 s": spread(p50, 2),
                "p95 s": spread(p95, 2),
            }
        )
        result.append(
            {
                "contender": name,
                "images_per_minute": statistics.median(rates[name]),
                "images_per_minute_all": rates[name],
                "ratio_to_optimum": ratio,
                "p50_seconds": statistics.median(p50),
                "p95_seconds": statistics.median(p95),
            }
        )
    summary: dict[str, Any] = {
        "images": arguments.images,
        "rounds": arguments.rounds,
        "precision": arguments.precision,
        "size": arguments.size,
        "optimum_images_per_minute": best_rival,
        "contenders": result,
    }
    show("batching", rows, summary)


if __name__ == "__main__":
    main()
