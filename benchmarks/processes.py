"""Contenders as processes: each loads its model, warms up, then makes the queue when asked.

`python -m benchmarks.processes NAME --folder DIR ...` is such a process, `Served` its other end.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from core.domain.image_spec import ImageSpec

WARM_STEPS = 2
"""Enough to compile and to touch all memory; a full-size image takes minutes."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a contender did with the queue."""

    moments: Sequence[float]
    """Seconds from the start of the queue to each image."""
    peak_rss_mib: float


class Served:
    """One contender, loaded and warm."""

    def __init__(
        self, name: str, folder: Path, requests: Sequence[ImageSpec], *,
        python: str = sys.executable, checkout: Path | None = None, **options: Any,
    ) -> None:  # fmt: skip
        """Start it, and wait until it is ready.

        Args:
            name: A function of `benchmarks.contenders`.
            folder: What it loads.
            requests: The queue; its first is made, in a few steps, to warm up.
            python: The interpreter that has what the contender needs.
            checkout: The working tree whose code it runs; None: this one.
            options: Further arguments of the function.
        """
        begun = time.monotonic()
        queue = json.dumps([asdict(request) for request in requests])
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        self._process = subprocess.Popen(
            [
                python, "-m", "benchmarks.processes", name,
                "--folder", str(folder), "--options", json.dumps(options), "--queue", queue,
            ],
            cwd=checkout,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )  # fmt: skip
        assert self._process.stdout
        if self._process.stdout.readline() != "ready\n":
            self._said.seek(0)
            reason = self._said.read()[-2000:].decode(errors="replace")
            raise SystemExit(f"{name} did not start: {' '.join(self._process.args[:-2])}\n{reason}")
        self.start_seconds = time.monotonic() - begun

    def make(self) -> Made:
        """Let it make the queue once."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        answer: Mapping[str, Any] = json.loads(self._process.stdout.readline())
        return Made(**answer)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self._said.close()


def main() -> None:
    """Be a contender."""
    from benchmarks import contenders

    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--options", type=json.loads, default={})
    parser.add_argument("--queue", type=json.loads, required=True)
    arguments = parser.parse_args()
    requests = [ImageSpec(**one) for one in arguments.queue]
    run = getattr(contenders, arguments.name)(arguments.folder, **arguments.options)
    warm = requests[: arguments.options.get("row_limit", 1)]
    run([replace(request, steps=WARM_STEPS) for request in warm])
    print("ready", flush=True)
    for _ in sys.stdin:
        moments = list(run(requests))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"moments": moments, "peak_rss_mib": peak}), flush=True)


if __name__ == "__main__":
    main()
