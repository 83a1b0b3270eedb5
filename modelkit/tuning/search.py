"""The search for the best plan: successive halving, within a budget.

Every candidate is measured once, then the better half and what is worth trying of it, then the
better half of those, and so on (Jamieson and Talwalkar 2016, "Non-stochastic Best Arm
Identification and Hyperparameter Optimization", arXiv 1502.07943). Threads and fixed shapes join
only of those that do well without: every combination would be several times as many. Survivors are
measured in turn, so a machine whose speed drifts is unfair to none of them.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bundles.plan import Plan

ROWS = (1, 2, 4, 8)
"""Images that share a call; more than 8 brought nothing on any CPU that was measured."""


@dataclass(frozen=True, kw_only=True, order=True)
class PlanCandidate:
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
        """Return it as the engine's plan.

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


def candidates(cores: int) -> Sequence[PlanCandidate]:
    """Return streams × rows for so many cores, those that share a compiled model side by side."""
    streams = {2**power for power in range(cores.bit_length()) if 2**power <= cores} | {cores}
    return [
        PlanCandidate(streams=count, threads=0, rows=rows)
        for count in sorted(streams)
        for rows in ROWS
    ]


def with_threads(
    better: Sequence[PlanCandidate], *, cores: int, logical: int
) -> Sequence[PlanCandidate]:
    """Return other numbers of threads for those that do well with OpenVINO's choice.

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


def with_fixed_shapes(better: Sequence[PlanCandidate]) -> Sequence[PlanCandidate]:
    """Return those that do well once more, with a fixed shape beside the model for any."""
    return [replace(one, fixed=True) for one in better]


FINALISTS = 3
SAMPLES = 7
"""Measurements of a finalist after which more would change little."""

FIXED_GAIN = 1.05
"""What a fixed shape must bring: it costs a second copy of the weights, and memory is dear."""

TIE = 0.98
"""Share of the best speed that counts as equal: the quicker image wins then."""


Variants = Callable[[Sequence[PlanCandidate]], Sequence[PlanCandidate]]
"""Gives what is worth trying of candidates that do well, which come in the order of merit."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What one measurement of a candidate gave."""

    steps_per_second: float
    """Denoising steps of images, all streams together."""
    step_seconds: float
    """One step of one image: the UNet call that it shares."""


@dataclass(kw_only=True)
class Result:
    """A candidate and all that was measured of it."""

    candidate: PlanCandidate
    samples: list[Sample] = field(default_factory=list)

    @property
    def steps_per_second(self) -> float:
        """The median."""
        return statistics.median(sample.steps_per_second for sample in self.samples)

    @property
    def step_seconds(self) -> float:
        """The median."""
        return statistics.median(sample.step_seconds for sample in self.samples)


def search(
    candidates: Sequence[PlanCandidate],
    *,
    variants: Sequence[Variants],
    measure: Callable[[PlanCandidate], Sample | None],
    has_time: Callable[[], bool],
    bound: float = float("inf"),
) -> Sequence[Result]:
    """Measure until the best is clear or the time is over.

    Args:
        candidates: What to begin with.
        variants: What to try further of those that did well, after each of the first rounds.
        measure: Measures one; takes its time. None: it cannot be run, and is left out.
        has_time: Whether there is time for another measurement.
        bound: Longest step, in seconds: what is slower survives only if nothing is quick enough.

    Returns:
        Whatever was measured at least once, in the order of the first time; nothing if nothing
        can be run.
    """
    results = {one: Result(candidate=one) for one in candidates}
    round_of = list(candidates)
    joining = iter(variants)
    # Back and forth, so that the same one is not always measured after the same other.
    while _measure_all(round_of, results, measure, has_time):
        kept = _survivors(round_of, results, bound)
        join = next(joining, None)
        if join is not None and kept:
            fresh = [one for one in join(kept) if one not in results]
            results |= {one: Result(candidate=one) for one in fresh}
            kept += fresh
        elif all(len(results[one].samples) >= SAMPLES for one in kept):
            break
        round_of = sorted(kept, reverse=round_of == sorted(round_of))
    return _measured(results)


def _measure_all(
    candidates: Sequence[PlanCandidate],
    results: Mapping[PlanCandidate, Result],
    measure: Callable[[PlanCandidate], Sample | None],
    has_time: Callable[[], bool],
) -> bool:
    """Measure each once more, the first one whatever the time; return whether there was time."""
    for candidate in candidates:
        if _measured(results) and not has_time():
            return False
        sample = measure(candidate)
        if sample is not None:
            results[candidate].samples.append(sample)
    return True


def _survivors(
    candidates: Sequence[PlanCandidate], results: Mapping[PlanCandidate, Result], bound: float
) -> list[PlanCandidate]:
    """Return the better half of those that can be run, the best first."""
    able = [results[one] for one in candidates if results[one].samples]
    ranked = sorted(able, key=lambda one: _merit(one, bound))
    return [one.candidate for one in ranked[: max(FINALISTS, -(-len(ranked) // 2))]]


def best(results: Sequence[Result], *, bound: float = float("inf")) -> Result:
    """Choose the fastest of those within the bound; of none, the one with the quickest step.

    Args:
        results: At least one, each with a sample.
        bound: Longest step, in seconds.
    """
    within = [result for result in results if result.step_seconds <= bound]
    if not within:
        return min(results, key=lambda result: result.step_seconds)
    worth = max(_worth(result) for result in within)
    equal = [result for result in within if _worth(result) >= TIE * worth]
    return min(equal, key=lambda result: (result.step_seconds, result.candidate))


def _worth(result: Result) -> float:
    """Return its speed, less what a fixed shape has to bring."""
    return result.steps_per_second / (FIXED_GAIN if result.candidate.fixed else 1.0)


def _merit(result: Result, bound: float) -> tuple[bool, float]:
    """Sort key: within the bound, the fastest first; beyond it, the quickest step first."""
    beyond = result.step_seconds > bound
    return beyond, result.step_seconds if beyond else -_worth(result)


def _measured(results: Mapping[PlanCandidate, Result]) -> Sequence[Result]:
    return [result for result in results.values() if result.samples]
