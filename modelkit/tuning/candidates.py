"""The plans that are worth measuring."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bundles.plan import Plan

ROWS = (1, 2, 4, 8)
"""Images that share a call; more than 8 brought nothing on any CPU that was measured."""


@dataclass(frozen=True, kw_only=True, order=True)
class Candidate:
    """One way to use the machine."""

    streams: int
    threads: int
    """Of all streams together; 0 lets OpenVINO choose."""
    rows: int
    """Images that share a call."""
    fixed: bool = False
    """Whether the UNet is compiled for full calls of one size too."""

    def __str__(self) -> str:
        threads = f", {self.threads} threads" if self.threads else ""
        shape = ", fixed batch" if self.fixed else ""
        return f"streams {self.streams}, rows {self.rows}{threads}{shape}"

    def plan(self, *, calls: int, size: tuple[int, int]) -> Plan:
        """Say it to the engine.

        Args:
            calls: UNet rows of an image: 2 with guidance, else 1.
            size: Width and height of the images, in pixels.
        """
        return Plan(
            streams=self.streams,
            rows=self.rows,
            threads=self.threads,
            batches=(self.rows * calls,) if self.fixed else (),
            size=size if self.fixed else None,
        )


def candidates(cores: int) -> Sequence[Candidate]:
    """Give streams × rows for so many cores, those that share a compiled model side by side."""
    streams = {2**power for power in range(cores.bit_length()) if 2**power <= cores} | {cores}
    return [
        Candidate(streams=count, threads=0, rows=rows) for count in sorted(streams) for rows in ROWS
    ]


def with_threads(better: Sequence[Candidate], *, cores: int, logical: int) -> Sequence[Candidate]:
    """Give other numbers of threads for those that do well with OpenVINO's choice.

    Half of the cores (what the memory keeps up with, on some machines), all, and every hardware
    thread. How many are best depends on the streams and hardly on the rows, so only the best of
    each number of streams is tried; and no stream goes without a thread: OpenVINO would run fewer
    streams.

    Args:
        better: In the order of merit, the best first.
        cores: Physical cores that this process may use.
        logical: CPUs that this process may use.
    """
    best = {one.streams: one for one in reversed(better)}
    return [
        replace(one, threads=threads)
        for one in best.values()
        for threads in sorted({cores // 2, cores, logical})
        if threads >= one.streams
    ]


def with_fixed_shapes(better: Sequence[Candidate]) -> Sequence[Candidate]:
    """Give those that do well once more, with a fixed shape beside the model for any."""
    return [replace(one, fixed=True) for one in better]
