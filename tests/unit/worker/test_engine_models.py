"""Rows of several models in one engine: they share its threads, and nothing else."""

from collections.abc import Sequence

import numpy as np
import pytest

from tests.unit.worker.test_engine import PATIENCE, ArithmeticModel, request, wait_until
from worker.embeddings import EmbeddingStore
from worker.engine import Engine
from worker.loaded import LoadedModel
from worker.model import Conditioning
from worker.rows import RowFailedError
from worker.turns import CallLimits


class OtherModel(ArithmeticModel):
    """Another one of the same size of latents, that draws something else."""

    scheduler_config = ArithmeticModel.scheduler_config | {"beta_end": 0.02}

    def encode(self, texts: Sequence[str]) -> list[Conditioning]:
        return [{name: array + 1 for name, array in one.items()} for one in super().encode(texts)]


class WideModel(ArithmeticModel):
    """One of other latents: more channels, and a quarter of the pixels for each."""

    def latent_shape(self, *, width: int, height: int) -> tuple[int, int, int]:
        return (6, height // 16, width // 16)

    def decode(self, latents: np.ndarray) -> np.ndarray:
        return super().decode(latents).repeat(2, axis=1).repeat(2, axis=2)


@pytest.fixture(params=[OtherModel, WideModel])
def other(request: pytest.FixtureRequest) -> ArithmeticModel:
    return request.param()


@pytest.fixture
def model() -> ArithmeticModel:
    return ArithmeticModel()


@pytest.fixture
def models(model: ArithmeticModel, other: ArithmeticModel) -> dict[str, LoadedModel]:
    texts = EmbeddingStore(2**20)
    return {
        "one": LoadedModel(model, revision="one", texts=texts),
        "two": LoadedModel(other, revision="two", texts=texts),
    }


@pytest.fixture(params=[1, 2], ids=["one stream", "two streams"])
def engine(request: pytest.FixtureRequest, models: dict[str, LoadedModel]):
    engine = Engine(models, row_limit=4, streams=request.param)
    engine.start()
    yield engine
    for one in models.values():
        one.model.gate.set()
    engine.close()


ASKED = [
    {"seed": 1},
    {"seed": 2, "prompt": "lamp", "steps": 7, "scheduler": "dpmpp_2m"},
    {"seed": 3, "guidance_scale": 3.0, "guidance_start": 0.2, "guidance_end": 0.9},
    {"seed": 4, "width": 64, "scheduler": "euler_ancestral"},
]


def alone(model: ArithmeticModel) -> list[np.ndarray]:
    """Draw what is asked for with one model, one image after another."""
    engine = Engine.of_one(model, row_limit=4)
    engine.start()
    try:
        return [engine.submit(request(**one)).result(PATIENCE).image for one in ASKED]
    finally:
        engine.close()


def test_an_image_is_the_same_beside_rows_of_another_model(engine, model, other):
    expected = {"one": alone(type(model)()), "two": alone(type(other)())}
    model.gate.clear()
    other.gate.clear()
    tickets = {
        revision: [engine.submit(request(**one, revision=revision)) for one in ASKED]
        for revision in ("two", "one")
    }
    wait_until(lambda: len(engine._scheduler) == 2 * len(ASKED))
    model.gate.set()
    other.gate.set()
    for revision, images in expected.items():
        for ticket, image in zip(tickets[revision], images, strict=True):
            assert np.array_equal(ticket.result(PATIENCE).image, image)
    assert any(not np.array_equal(one, two) for one, two in zip(*expected.values(), strict=True)), (
        "they are not one and the same model"
    )


def test_they_share_no_call_of_any_stage(engine, model, other):
    model.gate.clear()
    other.gate.clear()
    tickets = [
        engine.submit(request(seed=seed, prompt="mug", revision=revision))
        for seed in range(3)
        for revision in ("one", "two")
    ]
    wait_until(lambda: len(engine._scheduler) == 6)
    model.gate.set()
    other.gate.set()
    for ticket in tickets:
        assert ticket.result(PATIENCE).steps == 4
    for one in (model, other):
        assert sum(one.encoded) == 1, "a text is encoded once for each model"
        assert sum(one.calls) == 3 * 4
        assert sum(one.decoded) == 3
        assert max(one.calls) > 1, "rows of one model do share calls"


def test_a_model_that_fails_fails_its_own_rows_alone(engine, model, other):
    other.poison = float(len("poison") + (1 if isinstance(other, OtherModel) else 0))
    bad = engine.submit(request(prompt="poison", revision="two"))
    good = [engine.submit(request(prompt="poison", seed=s, revision="one")) for s in range(3)]
    with pytest.raises(RowFailedError, match="poisoned"):
        bad.result(PATIENCE)
    assert [ticket.result(PATIENCE).steps for ticket in good] == [4] * 3


def test_a_row_keeps_its_model_until_it_is_done(engine, models, model):
    model.gate.clear()
    ticket = engine.submit(request(revision="one"))
    wait_until(lambda: model.together)
    del models["one"]
    model.gate.set()
    assert ticket.result(PATIENCE).steps == 4


def test_a_models_plan_limits_its_calls_and_not_the_others(model):
    small, wide = OtherModel(), model
    engine = Engine(
        {
            "small": LoadedModel(small, limits=CallLimits(row_limit=2, streams=1)),
            "wide": LoadedModel(wide, limits=CallLimits(row_limit=8, streams=8)),
        },
        row_limit=4,
        streams=2,
    )
    engine.start()
    for one in (small, wide):
        one.gate.clear()
    tickets = [
        engine.submit(request(seed=seed, revision=name))
        for seed in range(8)
        for name in ("small", "wide")
    ]
    wait_until(lambda: len(engine._scheduler) == 16)
    for one in (small, wide):
        one.gate.set()
    for ticket in tickets:
        ticket.result(PATIENCE)
    engine.close()
    assert max(small.calls) == 2
    assert max(small.decoded) <= 2
    assert small.most_together == 1
    assert max(wide.calls) == 4
