"""One denoising step of a full-size UNet: PyTorch, OpenVINO, INT8, INT8 with Token Merging.

`python -m benchmarks.unet [--family sdxl] [--cache DIR] [--sizes 512 256] [--rounds 3]
[--only NAME ...]`

The UNet has the family's configuration and random weights (time does not depend on
them). Its graphs are made once, into the cache folder. In each round every contender starts in a
process of its own, one after another, so that a machine whose speed drifts is unfair to none; a
call has two rows, as one image with guidance, of a fixed shape. Sizes are those of the image, in
pixels.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.families import FAMILIES
from benchmarks.report import show, spread
from benchmarks.unet_contenders import BASELINE, NAMES, build, run


def main() -> None:
    """Run all contenders, or be one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", choices=FAMILIES, default="sd15")
    parser.add_argument("--cache", type=Path, default=Path(".packshot/benchmarks"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 256])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=2, help="timed calls of each size and round")
    parser.add_argument("--only", nargs="+", default=list(NAMES), choices=NAMES)
    parser.add_argument("--build", help=argparse.SUPPRESS)
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.build:
        build(arguments.build, arguments.cache, arguments.family)
    elif arguments.contender:
        figures = run(
            arguments.contender,
            arguments.cache,
            arguments.sizes[0],
            arguments.calls,
            arguments.family,
        )
        print(json.dumps(figures))
    else:
        _compare(arguments)


def _compare(arguments: argparse.Namespace) -> None:
    names = [name for name in NAMES if name in {BASELINE, *arguments.only}]
    for name in names:
        _process(arguments, "--build", name)
    peak = _process(arguments, "--contender", "int8-matrix-product")["tera_ops"]
    found: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for _ in range(arguments.rounds):
        for size in arguments.sizes:
            for name in names:
                figures = _process(arguments, "--contender", name, size)
                found.setdefault((name, size), []).append(figures)
                print(f"{size}² {name}: {figures['seconds']:.3f} s", file=sys.stderr, flush=True)
    _show(arguments, names, found, peak)


def _process(
    arguments: argparse.Namespace, task: str, name: str, size: int = 512
) -> dict[str, Any]:
    done = subprocess.run(
        [
            sys.executable, "-m", "benchmarks.unet", task, name, "--cache", str(arguments.cache),
            "--calls", str(arguments.calls), "--sizes", str(size), "--family", arguments.family,
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{task} {name} failed:\n{done.stderr[-3000:]}")
    lines = done.stdout.strip().splitlines()
    figures: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    return figures


def _show(
    arguments: argparse.Namespace,
    names: Sequence[str],
    found: Mapping[tuple[str, int], Sequence[Mapping[str, Any]]],
    peak: float,
) -> None:
    from benchmarks.full_size import tera_flop  # not in contenders' processes: it loads PyTorch

    rows, result = [], []
    for size in arguments.sizes:
        work = tera_flop(arguments.family, size)
        base = found[BASELINE, size]
        base_rss = statistics.median(one["peak_rss_mib"] for one in base)
        for name in names:
            own = found[name, size]
            seconds = [one["seconds"] for one in own]
            ratios = [one["seconds"] / mine for one, mine in zip(base, seconds, strict=True)]
            share = work / statistics.median(seconds) / peak
            rss = statistics.median(one["peak_rss_mib"] for one in own)
            # The first start compiles; the others find the blob in the cache.
            starts = [one["start_s"] for one in own]
            rows.append(
                {
                    "contender": f"{size}² {name}",
                    "seconds": spread(seconds, 3),
                    "× PyTorch FP32": spread(ratios, 2),
                    "of INT8 peak": f"{share:.0%}",
                    "peak RSS, MiB": f"{rss:.0f}",
                    "RSS ×": f"{rss / base_rss:.2f}",
                    "weights, MiB": f"{own[0]['weights_mib']:.0f}",
                    "first start, s": f"{starts[0]:.1f}",
                    "start, s": f"{statistics.median(starts[1:] or starts):.1f}",
                }
            )
            result.append(
                {
                    "contender": name, "size": size, "seconds": seconds, "ratios": ratios,
                    "ratio": statistics.median(ratios), "share_of_int8_peak": share,
                    "peak_rss_mib": rss, "rss_ratio": rss / base_rss,
                    "weights_mib": own[0]["weights_mib"], "start_seconds": starts,
                }
            )  # fmt: skip
    summary = {
        "family": arguments.family,
        "rounds": arguments.rounds,
        "int8_peak_tera_ops": peak,
        "contenders": result,
    }
    show(f"seconds per row and step of the full-size UNet, {arguments.family}", rows, summary)


if __name__ == "__main__":
    main()
