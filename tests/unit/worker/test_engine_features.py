"""The engine's calls where rows keep features, with a model that is arithmetic."""

from collections import Counter

import numpy as np
import pytest

from bundles.manifest import DeepCache, FeatureVariant
from tests.unit.worker.test_engine import PATIENCE, ArithmeticModel, request, wait_until
from worker.engine import Engine
from worker.model import StepInputs

CACHING = DeepCache(
    interval=3,
    variants=(
        FeatureVariant(name="full", leaves=("deep",)),
        FeatureVariant(name="shallow", takes=("deep",), work=0.25),
    ),
)


class CachingModel(ArithmeticModel):
    """Leaves its prediction as the feature, and predicts the feature where it takes one."""

    feature_caching = CACHING

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[tuple[int, int]] = []

    def predict(self, inputs: StepInputs):
        (taken,) = {frozenset(row) for row in inputs.taken}
        (variant,) = (n for n, one in enumerate(CACHING.variants) if taken == set(one.takes))
        self.steps.append((variant, len(inputs.samples)))
        predicted, _ = super().predict(inputs)
        if variant:
            predicted = np.stack([row["deep"] for row in inputs.taken])
        left = [
            {name: predicted[row].copy() for name in kept} for row, kept in enumerate(inputs.kept)
        ]
        return predicted, left


@pytest.fixture
def model() -> CachingModel:
    return CachingModel()


@pytest.fixture
def engine(model):
    engine = Engine.of_one(model, row_limit=4)
    engine.start()
    yield engine
    model.gate.set()
    engine.close()


def test_rows_of_one_phase_share_calls_and_meet_at_the_whole_step(engine, model):
    model.gate.clear()
    tickets = [engine.submit(request(seed=seed, steps=12)) for seed in range(4)]
    wait_until(lambda: len(engine._scheduler) == 4)
    model.gate.set()
    results = [ticket.result(PATIENCE) for ticket in tickets]
    assert [(result.steps, result.cheap_steps) for result in results] == [(12, 8)] * 4
    assert [result.steps_saved for result in results] == [pytest.approx(8 * 0.75)] * 4
    # One of them may have begun before the others came: it waits for them at its next whole step.
    assert Counter(model.steps)[(1, 4)] >= 6


def test_a_row_that_came_later_joins_the_others_at_a_whole_step(engine, model):
    model.gate.clear()
    first = engine.submit(request(steps=60))
    wait_until(lambda: model.together == 1)
    second = engine.submit(request(steps=30, seed=2))
    wait_until(lambda: len(engine._scheduler) == 2)
    model.gate.set()
    assert second.result(PATIENCE).cheap_steps == 20
    assert first.result(PATIENCE).cheap_steps == 40
    assert (0, 2) in model.steps
    assert (1, 2) in model.steps


def test_few_steps_are_whole(engine, model):
    result = engine.submit(request(steps=9)).result(PATIENCE)
    assert (result.cheap_steps, set(model.steps)) == (0, {(0, 1)})


def test_each_side_of_a_guided_row_has_its_own(engine, model):
    values = {"steps": 12, "guidance_scale": 3.0, "negative_prompt": "blue"}
    result = engine.submit(request(**values)).result(PATIENCE)
    assert (result.cheap_steps, set(model.steps)) == (8, {(0, 2), (1, 2)})


def test_guidance_that_begins_at_a_cheap_step_makes_it_a_whole_one(engine, model):
    limited = request(steps=12, guidance_scale=3.0, guidance_start=4 / 12, guidance_end=8 / 12)
    result = engine.submit(limited).result(PATIENCE)
    places = [place for place, _ in model.steps]
    assert places == [0, 1, 1, 0, 0, 1, 0, 1, 1, 0, 1, 1]
    assert [rows for _, rows in model.steps] == [1, 1, 1, 1, 2, 2, 2, 2, 1, 1, 1, 1]
    assert result.cheap_steps == 7


def test_a_bad_row_fails_alone_in_its_phase(engine, model):
    model.gate.clear()
    model.poison = float(len("poison"))
    bad = engine.submit(request(prompt="poison", steps=12))
    good = [engine.submit(request(seed=seed, steps=12)) for seed in range(3)]
    wait_until(lambda: len(engine._scheduler) == 4)
    model.gate.set()
    assert [ticket.result(PATIENCE).cheap_steps for ticket in good] == [8] * 3
    assert bad.future.exception(PATIENCE) is not None
