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


def variants(candidate: Candidate, *, cores: int, logical: int) -> Sequence[Candidate]:
    """Give what is worth trying of a candidate that does well.

    Args:
        candidate: One that OpenVINO gave its choice of threads and one compiled model.
        cores: Physical cores.
        logical: CPUs that this process may use.
    """
    threads = [0] if logical <= cores else [0, logical]
    return [
        replace(candidate, threads=count, fixed=fixed)
        for count in threads
        for fixed in (False, True)
        if (count, fixed) != (candidate.threads, candidate.fixed)
    ]
