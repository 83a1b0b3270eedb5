"""What is not finite fails its row, at whatever stage; nothing of it is kept, others go on."""

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from bundles.manifest import DeepCache, FeatureVariant
from tests.unit.worker.test_engine import PATIENCE, ArithmeticModel, request, wait_until
from worker.embeddings import EmbeddingCache, EmbeddingStore
from worker.engine import Engine
from worker.finite import NotFiniteError, check_finite
from worker.model import HIDDEN_STATES, Conditioning
from worker.rows import RowFailedError, RowImpossibleError
from worker.walk import Resume

BAD = "broken"
"""The text whose numbers break."""

VALUES = {"not a number": np.nan, "infinite": np.inf, "infinite below 0": -np.inf}


class BreakingModel(ArithmeticModel):
    """Gives one number that is not finite at a stage of each row whose text is `BAD`."""

    precision = "bf16"

    def __init__(self, stage: str, value: float) -> None:
        super().__init__()
        self.stage, self.value = stage, value

    def encode(self, texts: Sequence[str]) -> list[Conditioning]:
        encoded = super().encode(texts)
        for text, one in zip(texts, encoded, strict=True):
            if self.stage == "text encoder" and text == BAD:
                one[HIDDEN_STATES][-1, -1] = self.value
        return encoded

    def predict(self, inputs):
        predicted, left = super().predict(inputs)
        bad = inputs.conditioning[HIDDEN_STATES][:, 0, 0] == len(BAD)
        if self.stage == "UNet":
            predicted[bad, -1, -1, -1] = self.value
        if self.stage == "scheduler":
            predicted[bad] = np.finfo(np.float32).max
        return predicted, left


class BreakingFeatures(BreakingModel):
    """Predicts well, and leaves features that are not finite."""

    feature_caching = DeepCache(
        interval=3,
        variants=(
            FeatureVariant(name="full", leaves=("deep",)),
            FeatureVariant(name="shallow", takes=("deep",), work=0.25),
        ),
    )

    def predict(self, inputs):
        predicted, _ = super().predict(inputs)
        left = [{name: row.copy() for name in inputs.kept[0]} for row in predicted]
        for row, states in zip(left, inputs.conditioning[HIDDEN_STATES], strict=True):
            for feature in row.values():
                feature[0, 0, 0] = self.value if states[0, 0] == len(BAD) else 0
        return predicted, left


def run(model: ArithmeticModel) -> Iterator[Engine]:
    engine = Engine.of_one(model, row_limit=4)
    engine.start()
    yield engine
    model.gate.set()
    engine.close()


@pytest.fixture
def engine(model: ArithmeticModel) -> Iterator[Engine]:
    yield from run(model)


@pytest.fixture
def model(request: pytest.FixtureRequest) -> BreakingModel:
    stage, value = getattr(request, "param", ("UNet", np.nan))
    kind = BreakingFeatures if stage == "features" else BreakingModel
    return kind(stage, value)


@pytest.mark.parametrize("side", ["prompt", "negative_prompt"])
@pytest.mark.parametrize(
    "model",
    [
        (stage, value)
        for stage in ("text encoder", "UNet", "scheduler", "features")
        for value in VALUES.values()
    ],
    ids=lambda model: f"{model[0]} {model[1]}",
    indirect=True,
)
def test_a_row_fails_for_good_and_its_neighbours_do_not_notice(engine, model, side: str):
    others = [request(seed=seed, guidance_scale=2.0, steps=12) for seed in range(3)]
    alone = [engine.submit(one).result(PATIENCE).image for one in others]
    model.gate.clear()
    bad = engine.submit(request(**{"guidance_scale": 2.0, "steps": 12, side: BAD}))
    tickets = [engine.submit(one) for one in others]
    wait_until(lambda: len(engine._scheduler) + bad.future.done() == 4)
    model.gate.set()
    with pytest.raises(RowImpossibleError, match="is not finite") as caught:
        bad.result(PATIENCE)
    assert ("bf16" in str(caught.value)) == (model.stage != "text encoder")
    for ticket, image in zip(tickets, alone, strict=True):
        assert np.array_equal(ticket.result(PATIENCE).image, image)
    assert not engine._rows


def test_the_reason_names_stage_call_and_way_out(engine, model):
    with pytest.raises(RowImpossibleError) as caught:
        engine.submit(request(prompt=BAD)).result(PATIENCE)
    assert str(caught.value) == (
        "the UNet's output in call 1 of 4 is not finite (NaN or overflow, computed in bf16); "
        "PACKSHOT_INFERENCE_PRECISION=f32 may help"
    )


def test_single_precision_is_not_advised_to_those_who_have_it():
    with pytest.raises(NotFiniteError, match=r"computed in f32\)$"):
        check_finite("it", np.zeros(3), np.array([0, np.inf]), precision="f32")


def test_what_began_with_anothers_latents_may_be_tried_without_them(engine, model):
    begin = Resume(step=2, latents=np.zeros((4, 4, 4), np.float16))
    with pytest.raises(RowFailedError, match="not finite") as caught:
        engine.submit(request(prompt=BAD, steps=10, begin=begin)).result(PATIENCE)
    assert not isinstance(caught.value, RowImpossibleError)


def test_a_row_that_the_decoder_refuses_fails_alone(engine, model, monkeypatch):
    seen: list[np.ndarray] = []

    def decode(latents: np.ndarray) -> np.ndarray:
        seen.append(latents)
        wrong = np.where((latents == seen[0][0]).all(axis=(1, 2, 3)), np.nan, 0)
        if len(seen) > 1:
            check_finite("the decoder's output", wrong, precision=model.precision)
        return ArithmeticModel.decode(model, latents)

    monkeypatch.setattr(model, "decode", decode)
    engine.submit(request(seed=7)).result(PATIENCE)
    model.gate.clear()
    bad, *good = [engine.submit(request(seed=seed)) for seed in (7, 1, 2, 3)]
    wait_until(lambda: len(engine._scheduler) == 4)
    model.gate.set()
    assert [ticket.result(PATIENCE).steps for ticket in good] == [4, 4, 4]
    with pytest.raises(RowImpossibleError, match="decoder"):
        bad.result(PATIENCE)


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("pinned", [(), (BAD,)], ids=["its own", "everybody's"])
def test_an_embedding_that_is_not_finite_is_not_kept(value: float, pinned):
    calls: list[Sequence[str]] = []

    def encode(texts: Sequence[str]) -> list[Conditioning]:
        calls.append(list(texts))
        states = np.ones((len(texts), 2, 3), np.float32)
        if len(calls) == 1:
            states[0, 1, 2] = value
        return [{HIDDEN_STATES: one} for one in states]

    cache = EmbeddingCache(encode, store=EmbeddingStore(10_000), pinned=pinned)
    with pytest.raises(NotFiniteError, match="text encoder"):
        cache.get([BAD, "mug"])
    assert all(np.isfinite(one[HIDDEN_STATES]).all() for one in cache.get(["mug", BAD]))
    assert calls == [[BAD, "mug"], [BAD]], "the other one was kept"


def test_latents_too_large_for_halves_are_not_kept(engine, model):
    model.stage = ""
    long = "a" * 4000
    result = engine.submit(request(prompt=long, steps=10, keep=(2, 5))).result(PATIENCE)
    assert all(np.isfinite(latents).all() for latents in result.kept.values())
    assert sorted(engine.submit(request(steps=10, keep=(2, 5))).result(PATIENCE).kept) == [2, 5]
    assert sorted(result.kept) != [2, 5]
