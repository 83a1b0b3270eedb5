"""The search for the best plan, on machines that are formulas."""

import itertools
from collections import Counter
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundles.manifest import Defaults
from bundles.plan import Plan
from modelkit.tuning.measure import Bench
from modelkit.tuning.search import (
    FIXED_GAIN,
    PlanCandidate,
    Result,
    Sample,
    best,
    candidates,
    search,
    with_fixed_shapes,
    with_threads,
)
from worker.model import HIDDEN_STATES
from worker.unet import UNet

FIRST = candidates(4)


def sample(speed: float, seconds: float = 1.0) -> Sample:
    return Sample(steps_per_second=speed, step_seconds=seconds)


def budget(measurements: int):
    left = iter(range(measurements))
    return lambda: next(left, None) is not None


def test_streams_are_powers_of_two_up_to_the_cores_and_the_cores():
    assert sorted({one.streams for one in candidates(6)}) == [1, 2, 4, 6]
    assert sorted({one.streams for one in candidates(1)}) == [1]


def test_those_of_one_compiled_model_stand_together():
    runs = [streams for streams, _ in itertools.groupby(FIRST, key=lambda one: one.streams)]
    assert runs == sorted(set(runs))


@pytest.mark.parametrize(
    ("cores", "logical", "threads"),
    [
        (1, 1, [1]),
        (1, 2, [1, 2]),
        (2, 2, [1, 2]),
        (4, 8, [2, 4, 8]),
        (6, 6, [3, 6]),
    ],
)
def test_half_of_the_cores_all_and_all_hardware_threads_are_tried(cores, logical, threads):
    more = with_threads([PlanCandidate(streams=1, threads=0, rows=4)], cores=cores, logical=logical)
    assert more == [PlanCandidate(streams=1, threads=count, rows=4) for count in threads]


def test_threads_are_tried_of_the_best_of_each_number_of_streams():
    better = [
        PlanCandidate(streams=2, threads=0, rows=8),
        PlanCandidate(streams=1, threads=0, rows=4),
        PlanCandidate(streams=2, threads=0, rows=4),
    ]
    tried = {(one.streams, one.rows) for one in with_threads(better, cores=4, logical=4)}
    assert tried == {(2, 8), (1, 4)}


def test_no_stream_goes_without_a_thread():
    better = [PlanCandidate(streams=count, threads=0, rows=1) for count in (1, 2, 4)]
    more = with_threads(better, cores=4, logical=8)
    assert {(one.streams, one.threads) for one in more} == {
        (1, 2), (1, 4), (1, 8), (2, 2), (2, 4), (2, 8), (4, 4), (4, 8),
    }  # fmt: skip


def test_what_does_well_is_tried_with_a_fixed_shape():
    one = PlanCandidate(streams=2, threads=8, rows=4)
    assert with_fixed_shapes([one]) == [PlanCandidate(streams=2, threads=8, rows=4, fixed=True)]


def test_a_fixed_candidate_is_compiled_for_full_calls():
    plan = PlanCandidate(streams=2, threads=3, rows=4, fixed=True).plan(calls=2, size=(128, 64))
    assert plan == Plan(streams=2, rows=4, threads=3, batches=(8,), size=(128, 64))
    assert PlanCandidate(streams=1, threads=0, rows=2).plan(calls=2, size=(128, 64)) == Plan(rows=2)


@given(st.lists(st.floats(1, 100), min_size=len(FIRST), max_size=len(FIRST)))
def test_without_noise_the_fastest_is_found(speeds: list[float]):
    truth = dict(zip(FIRST, speeds, strict=True))
    results = search(
        FIRST,
        variants=[],
        measure=lambda one: sample(truth[one]),
        has_time=lambda: True,
    )
    assert best(results).steps_per_second >= 0.98 * max(speeds)


def test_the_better_ones_are_measured_more_often_and_in_turn():
    order: list[PlanCandidate] = []

    def measure(one: PlanCandidate) -> Sample:
        order.append(one)
        return sample(one.streams * 10 + one.rows)

    search(FIRST, variants=[], measure=measure, has_time=lambda: True)
    counts = Counter(order)
    assert order[: len(FIRST)] == list(FIRST)
    assert counts[PlanCandidate(streams=4, threads=0, rows=8)] == max(counts.values()) >= 5
    assert counts[PlanCandidate(streams=1, threads=0, rows=1)] == 1
    finals = order[-6:]
    assert finals[:3] == finals[:2:-1], "back and forth"


def all_variants(cores: int, logical: int):
    return [partial(with_threads, cores=cores, logical=logical), with_fixed_shapes]


def test_threads_and_then_fixed_shapes_of_the_better_join():
    order: list[PlanCandidate] = []

    def measure(one: PlanCandidate) -> Sample:
        order.append(one)
        gain = (1.5 if one.fixed else 1.0) * (1.2 if one.threads == 2 else 1.0)
        return sample(gain * (4 - one.streams / 4))

    results = search(FIRST, variants=all_variants(4, 4), measure=measure, has_time=lambda: True)
    chosen = best(results).candidate
    assert (chosen.streams, chosen.threads, chosen.fixed) == (1, 2, True)
    assert not any(one.threads or one.fixed for one in order[: len(FIRST)])
    assert not any(one.candidate.fixed and one.candidate.streams == 4 for one in results)


@pytest.mark.parametrize(("cores", "logical", "most"), [(2, 2, 45), (4, 8, 70), (16, 32, 110)])
def test_threads_do_not_make_the_search_long(cores: int, logical: int, most: int):
    """In five minutes there are a hundred looks."""
    order: list[PlanCandidate] = []

    def measure(one: PlanCandidate) -> Sample:
        order.append(one)
        return sample(one.streams * 10 + one.rows + one.threads / 100)

    search(
        candidates(cores),
        variants=all_variants(cores, logical),
        measure=measure,
        has_time=lambda: True,
    )
    assert {one.threads for one in order} >= {0, cores, logical}
    assert len(order) <= most


@pytest.mark.parametrize("measurements", [0, 1, 5, len(FIRST), 30])
def test_the_search_ends_with_its_time_and_always_knows_something(measurements: int):
    results = search(
        FIRST,
        variants=[],
        measure=lambda one: sample(one.rows),
        has_time=budget(measurements),
    )
    total = sum(len(result.samples) for result in results)
    assert 1 <= total <= measurements + 1
    assert all(result.samples for result in results)
    assert best(results) in results


def test_what_cannot_be_run_is_left_out():
    results = search(
        FIRST,
        variants=[],
        measure=lambda one: sample(one.rows) if one.streams == 2 else None,
        has_time=lambda: True,
    )
    assert {one.candidate.streams for one in results} == {2}
    assert best(results).candidate.rows == 8


def test_nothing_that_can_be_run_is_nothing_found():
    assert not search(FIRST, variants=[], measure=lambda _: None, has_time=budget(1000))


def result(speed: float, seconds: float, **values) -> Result:
    candidate = PlanCandidate(**{"streams": 1, "threads": 0, "rows": 1} | values)
    return Result(candidate=candidate, samples=[sample(speed, seconds)])


def test_what_is_slower_than_the_bound_is_not_chosen():
    quick, fast = result(10, 0.1), result(20, 0.4, rows=8)
    assert best([quick, fast]) is fast
    assert best([quick, fast], bound=0.2) is quick
    assert best([quick, fast], bound=0.01) is quick, "nothing fits: the quickest"


def test_of_equals_the_one_with_the_quicker_image_is_chosen():
    quick, fast = result(19.9, 0.1), result(20, 0.4, rows=8)
    assert best([fast, quick]) is quick


def test_a_fixed_shape_must_bring_its_memory_in():
    plain = result(10, 1.0)
    assert best([plain, result(10 * FIXED_GAIN - 0.3, 0.9, fixed=True)]) is plain
    fixed = result(10 * FIXED_GAIN + 0.3, 0.9, fixed=True)
    assert best([plain, fixed]) is fixed


def test_one_odd_measurement_changes_nothing():
    steady = Result(candidate=FIRST[0], samples=[sample(10)] * 5)
    odd = Result(candidate=FIRST[1], samples=[sample(9)] * 4 + [sample(500)])
    assert best([steady, odd]) is steady


class TestBench:
    class Pipeline:
        """Compiles to a UNet that counts."""

        embeds_guidance = False

        def __init__(self):
            self.plans = []
            self.calls = []

        def latent_shape(self, *, width, height):
            return 4, height // 8, width // 8

        sample_shape = latent_shape

        def encode(self, texts):
            import numpy as np

            return [{HIDDEN_STATES: np.zeros((77, 8), np.float32)} for _ in texts]

        def conditioning(self, *, guidance_scale, width, height):
            return {}

        def decode(self, latents):
            self.calls.append(("decode", len(latents)))

        def compile_unet(self, plan) -> UNet:
            self.plans.append(plan)
            return self

        def predict(self, inputs):
            rows = len(inputs.samples)
            assert rows == len(inputs.timesteps) == len(inputs.conditioning[HIDDEN_STATES])
            self.calls.append(("predict", rows))

    def bench(self, pipeline, **defaults) -> Bench:
        return Bench(pipeline, Defaults(**defaults), size=(64, 64), seconds=0.0)

    def test_every_stream_runs_full_calls(self):
        pipeline = self.Pipeline()
        bench = self.bench(pipeline, guidance_scale=3.0)
        found = bench.measure(PlanCandidate(streams=3, threads=0, rows=4))
        # One to warm up and one that counts, in each stream: eight UNet rows for four images.
        assert pipeline.calls == [("predict", 8)] * 6
        assert found.steps_per_second > 0
        assert found.step_seconds > 0

    def test_without_guidance_an_image_takes_one_row(self):
        pipeline = self.Pipeline()
        self.bench(pipeline, guidance_scale=1.0).measure(
            PlanCandidate(streams=1, threads=0, rows=4)
        )
        assert pipeline.calls == [("predict", 4)] * 2

    def test_a_model_is_compiled_once_for_candidates_that_share_it(self):
        pipeline = self.Pipeline()
        bench = self.bench(pipeline)
        for rows in (1, 2, 4):
            bench.measure(PlanCandidate(streams=2, threads=0, rows=rows))
        bench.measure(PlanCandidate(streams=2, threads=0, rows=4, fixed=True))
        assert [plan.batches for plan in pipeline.plans] == [(), (8,)]

    def test_a_call_that_fails_is_not_measured(self, monkeypatch):
        pipeline = self.Pipeline()

        def fail(*_):
            raise RuntimeError("out of memory")

        monkeypatch.setattr(pipeline, "predict", fail)
        with pytest.raises(RuntimeError, match="out of memory"):
            self.bench(pipeline).measure(PlanCandidate(streams=2, threads=0, rows=1))
