"""Images a minute and latency by row limit, beside the same prompts one after another.

`python -m benchmarks.batching [--images 48] [--rounds 3] [--precision f32]`

Every contender is a process of its own that loads its model, makes two images to warm up, then
waits; in each round all of them make the same mixed queue in turn, so that a machine whose speed
drifts is unfair to none.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import machine, percentile, show, spread
from benchmarks.requests import mixed

ROW_LIMITS = (1, 2, 4, 8, 16)


def main() -> None:
    """Run all contenders, or be one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", choices=("auto", "f32", "bf16"), default="auto")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contender:
        _serve(arguments)
    else:
        _compare(arguments)


def _compare(arguments: argparse.Namespace) -> None:
    names = ["diffusers", "optimum", *(f"packshot:{limit}" for limit in ROW_LIMITS)]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _prepare(folder)
        processes = {name: _start(name, folder, arguments) for name in names}
        rounds: dict[str, list[list[float]]] = {name: [] for name in names}
        try:
            for _ in range(arguments.rounds):
                for name, process in processes.items():
                    rounds[name].append(_ask(process))
        finally:
            for process in processes.values():
                process.kill()
                process.wait()
    _show(rounds, arguments)


def _prepare(folder: Path) -> None:
    """Export the starter as each contender wants it; in a process whose memory goes with it."""
    code = (
        "import sys; from pathlib import Path; from bundles.export import build;"
        "from bundles.starter import SOURCE; from optimum.intel import OVStableDiffusionPipeline;"
        "folder = Path(sys.argv[1]); build(SOURCE, folder / 'bundle');"
        "OVStableDiffusionPipeline.from_pretrained(SOURCE, export=True, compile=False)"
        ".save_pretrained(folder / 'optimum')"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, capture_output=True)


def _start(name: str, folder: Path, arguments: argparse.Namespace) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [
            sys.executable, "-m", "benchmarks.batching", "--contender", name,
            "--folder", str(folder), "--images", str(arguments.images),
            "--precision", arguments.precision, "--size", str(arguments.size),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )  # fmt: skip
    assert process.stdout
    if process.stdout.readline() != "ready\n":
        raise SystemExit(f"{name} did not start: run it alone with --contender {name}")
    return process


def _ask(process: subprocess.Popen[str]) -> list[float]:
    assert process.stdin
    assert process.stdout
    process.stdin.write("go\n")
    process.stdin.flush()
    moments: list[float] = json.loads(process.stdout.readline())
    return moments


def _serve(arguments: argparse.Namespace) -> None:
    from benchmarks import contenders
    from bundles.starter import SOURCE

    name, _, limit = arguments.contender.partition(":")
    if name == "diffusers":
        run = contenders.torch_diffusers(SOURCE, threads=machine()["cores"])
    elif name == "optimum":
        run = contenders.optimum_openvino(arguments.folder / "optimum")
    else:
        run = contenders.packshot(arguments.folder / "bundle", int(limit), arguments.precision)
    size = {"width": arguments.size, "height": arguments.size}
    run(mixed(max(2, int(limit or 0)), **size, seed=99))
    requests = mixed(arguments.images, **size)
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(list(run(requests))), flush=True)


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
