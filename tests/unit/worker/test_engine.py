"""The engine's loop, with a model that is arithmetic: who shares a call, and who leaves when."""

import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from core.domain.lanes import Lane
from tests.specs import row_request
from worker.engine import Engine
from worker.model import HIDDEN_STATES, Conditioning, Features, StepInputs
from worker.rows import (
    RowCanceledError,
    RowExpiredError,
    RowFailedError,
    RowHandedBackError,
    RowImpossibleError,
    RowRequest,
)
from worker.watchdog import Watchdog

PATIENCE = 60
"""Seconds after which a ticket that should be ready counts as lost."""


class ArithmeticModel:
    """Predicts a multiple of its input; each call can be held back, counted and made to fail."""

    scheduler_config: dict[str, Any] = {  # noqa: RUF012
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "clip_sample": False,
        "steps_offset": 1,
    }
    embeds_guidance = False
    taught = ()
    zeroes_empty_negative = False
    inpaints = False
    precision = "f32"
    feature_caching = None
    alignment = None

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.texts: list[list[int]] = []
        """Lengths of each call's texts."""
        self.encoded: list[int] = []
        self.decoded: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.poison: float | None = None
        self.together = 0
        self.most_together = 0
        self._lock = threading.Lock()

    def latent_shape(self, *, width: int, height: int) -> tuple[int, int, int]:
        return (4, height // 8, width // 8)

    def encode(self, texts: Sequence[str]) -> list[Conditioning]:
        self.encoded.append(len(texts))
        return [{HIDDEN_STATES: np.full((2, 3), len(text), np.float32)} for text in texts]

    def conditioning(self, *, guidance_scale: float, width: int, height: int) -> Conditioning:
        return {}

    def predict(self, inputs: StepInputs) -> tuple[np.ndarray, list[Features]]:
        samples, states = inputs.samples, inputs.conditioning[HIDDEN_STATES]
        with self._lock:
            self.together += 1
            self.most_together = max(self.most_together, self.together)
        assert self.gate.wait(PATIENCE)
        with self._lock:
            self.together -= 1
        self.calls.append(len(samples))
        self.texts.append([int(state[0, 0]) for state in states])
        assert len(samples) == len(inputs.timesteps) == len(states)
        if self.poison in [float(state[0, 0]) for state in states]:
            raise RuntimeError("poisoned")
        predicted = samples * 0.1 * states.mean(axis=(1, 2))[:, None, None, None]
        return predicted, [{} for _ in predicted]

    def decode(self, latents: np.ndarray) -> np.ndarray:
        self.decoded.append(len(latents))
        pixels = np.clip(latents[:, :3] * 40 + 128, 0, 255).astype(np.uint8)
        return pixels.transpose(0, 2, 3, 1).repeat(8, axis=1).repeat(8, axis=2)


def request(**changes: Any) -> RowRequest:
    values: dict[str, Any] = {
        "prompt": "mug",
        "negative_prompt": "",
        "width": 32,
        "height": 32,
        "steps": 4,
        "guidance_scale": 1.0,
        "scheduler": "ddim",
        "seed": 1,
    }
    return row_request(**values | changes)


@pytest.fixture
def model() -> ArithmeticModel:
    return ArithmeticModel()


@pytest.fixture(params=[1, 2], ids=["one stream", "two streams"])
def streams(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture
def engine(model: ArithmeticModel, streams: int):
    engine = Engine.of_one(model, row_limit=4, streams=streams)
    engine.start()
    yield engine
    model.gate.set()
    engine.close()


def wait_until(condition) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.005)


@pytest.mark.parametrize("streams", [1], indirect=True)
def test_rows_with_nothing_in_common_but_their_size_share_calls(engine, model):
    model.gate.clear()
    first = engine.submit(request(steps=6))
    wait_until(lambda: engine.models[""].embeddings.misses)
    others = [
        engine.submit(request(prompt="a lamp", scheduler="euler", seed=2)),
        engine.submit(request(prompt="a chair", scheduler="dpmpp_2m", steps=9)),
        engine.submit(request(guidance_scale=3.0, negative_prompt="blue")),
    ]
    wait_until(lambda: len(engine._scheduler) == 4)
    model.gate.set()
    results = [ticket.result(PATIENCE) for ticket in (first, *others)]
    assert [result.steps for result in results] == [6, 4, 9, 4]
    assert max(model.calls) == 5  # four rows, one of them with guidance
    assert sum(model.calls) == 6 + 4 + 9 + 2 * 4
    assert engine.call_sizes.take() == {"": (6 + 4 + 9 + 4) / len(model.calls)}
    assert engine.call_sizes.take() == {}


def test_a_row_joins_a_batch_that_is_under_way(engine, model):
    ended: list[str] = []
    model.gate.clear()
    long = engine.submit(request(steps=50))
    wait_until(lambda: model.together == 1)
    short = engine.submit(request(steps=2))
    for name, ticket in (("long", long), ("short", short)):
        ticket.future.add_done_callback(lambda _, name=name: ended.append(name))
    wait_until(lambda: len(engine._scheduler) == 2)
    model.gate.set()
    short.result(PATIENCE)
    long.result(PATIENCE)
    assert ended == ["short", "long"]


@pytest.mark.parametrize("streams", [1], indirect=True)
def test_an_interactive_image_that_meets_a_full_batch_of_a_sheet_steps_at_the_next_call(
    engine, model
):
    model.gate.clear()
    sheet = [engine.submit(request(steps=40, seed=seed, lane=Lane.BULK)) for seed in range(6)]
    wait_until(lambda: model.together == 1 and len(engine._scheduler) == 6)
    urgent = engine.submit(request(steps=3, prompt="urgent", lane=Lane.INTERACTIVE))
    wait_until(lambda: len(engine._scheduler) == 7)
    model.gate.set()
    assert urgent.result(PATIENCE).steps == 3
    assert [ticket.result(PATIENCE).steps for ticket in sheet] == [40] * 6
    calls = [number for number, texts in enumerate(model.texts) if len("urgent") in texts]
    assert calls == [1, 2, 3]
    assert [len(texts) for texts in model.texts[1:4]] == [4] * 3


def test_an_image_of_few_steps_is_not_held_up_by_another_tenant_s_of_many(engine):
    long = [engine.submit(request(steps=900, seed=seed, tenant="long")) for seed in range(10)]
    assert engine.submit(request(steps=2, tenant="short")).result(PATIENCE).steps == 2
    assert not any(ticket.future.done() for ticket in long)


@pytest.mark.parametrize("streams", [2], indirect=True)
def test_streams_share_the_rows_of_one_size(engine, model):
    model.gate.clear()
    tickets = [engine.submit(request(seed=seed, steps=8)) for seed in range(8)]
    wait_until(lambda: model.together == 2)
    wait_until(lambda: len(engine._scheduler) == 8)
    model.gate.set()
    assert [ticket.result(PATIENCE).steps for ticket in tickets] == [8] * 8
    assert max(model.calls) <= 4
    assert sum(model.calls) == 8 * 8


@pytest.mark.parametrize("streams", [2], indirect=True)
def test_what_is_cancelled_in_a_call_leaves_after_it_while_the_other_stream_goes_on(engine, model):
    model.gate.clear()
    doomed = engine.submit(request(steps=500))
    other = engine.submit(request(steps=20, seed=2))
    wait_until(lambda: model.together == 2)
    engine.cancel(doomed.request.identity)
    again = engine.submit(doomed.request)
    with pytest.raises(RowFailedError, match="in the engine already"):
        again.result(PATIENCE)
    model.gate.set()
    with pytest.raises(RowCanceledError):
        doomed.result(PATIENCE)
    assert other.result(PATIENCE).steps == 20


def test_a_row_cancelled_in_its_last_call_is_not_decoded_nor_remembered(engine, model):
    model.gate.clear()
    doomed = engine.submit(request(steps=1))
    wait_until(lambda: model.together == 1)
    engine.cancel(doomed.request.identity)
    model.gate.set()
    with pytest.raises(RowCanceledError):
        doomed.result(PATIENCE)
    assert engine.submit(doomed.request).result(PATIENCE).steps == 1


def test_guidance_outside_its_interval_costs_nothing(engine, model):
    asked = request(steps=10, guidance_scale=3.0, guidance_start=0.2, guidance_end=0.7)
    limited = engine.submit(asked).result(PATIENCE).image
    assert model.calls == [1, 1, 2, 2, 2, 2, 2, 1, 1, 1]
    everywhere = engine.submit(request(steps=10, guidance_scale=3.0)).result(PATIENCE).image
    nowhere = engine.submit(request(steps=10)).result(PATIENCE).image
    assert not np.array_equal(limited, everywhere)
    assert not np.array_equal(limited, nowhere)


def test_company_does_not_change_an_image(engine):
    alone = engine.submit(request(seed=7)).result(PATIENCE).image
    crowd = [engine.submit(request(seed=seed, steps=3 + seed)) for seed in range(6)]
    again = engine.submit(request(seed=7))
    assert np.array_equal(alone, again.result(PATIENCE).image)
    for ticket in crowd:
        ticket.result(PATIENCE)


def test_a_cancelled_row_leaves_and_the_others_go_on(engine, model):
    doomed, other = engine.submit(request(steps=500)), engine.submit(request(steps=20))
    wait_until(lambda: model.calls)
    engine.cancel(doomed.request.identity)
    with pytest.raises(RowCanceledError):
        doomed.result(PATIENCE)
    assert other.result(PATIENCE).steps == 20


def test_a_row_past_its_deadline_leaves(engine):
    late = engine.submit(request(steps=900, deadline=time.monotonic() + 0.05))
    with pytest.raises(RowExpiredError):
        late.result(PATIENCE)


def test_a_bad_row_fails_alone(engine, model):
    model.gate.clear()
    model.poison = float(len("poison"))
    bad = engine.submit(request(prompt="poison"))
    good = [engine.submit(request(seed=seed)) for seed in range(3)]
    model.gate.set()
    with pytest.raises(RowFailedError, match="poisoned"):
        bad.result(PATIENCE)
    assert [ticket.result(PATIENCE).steps for ticket in good] == [4, 4, 4]


class HeldModel(ArithmeticModel):
    """Has the first call of one stage wait for the test, so that further rows gather before it."""

    def __init__(self, stage: str) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.released = threading.Event()
        run = getattr(self, stage)

        def held(*args: Any) -> Any:
            self.entered.set()
            assert self.released.wait(PATIENCE)
            return run(*args)

        setattr(self, stage, held)


@pytest.mark.parametrize("stage", ["encode", "predict", "decode"])
def test_rows_that_run_alone_share_no_call_of_any_stage(stage, streams):
    model = HeldModel(stage)
    engine = Engine.of_one(model, row_limit=8, streams=streams)
    engine.start()
    ahead = engine.submit(request(prompt="ahead", seed=0, solo=True))
    wait_until(model.entered.is_set)
    alone = [
        engine.submit(request(prompt=f"alone {number}", seed=number, solo=True))
        for number in range(3)
    ]
    others = [engine.submit(request(prompt=f"other {number}", seed=number)) for number in range(3)]
    waiting = {"encode": engine._incoming, "predict": engine._scheduler, "decode": engine._finished}
    held_back = {"encode": 6, "predict": 7, "decode": 6}
    wait_until(lambda: len(waiting[stage]) == held_back[stage])
    model.released.set()
    results = [ticket.result(PATIENCE) for ticket in (ahead, *alone, *others)]
    assert [result.steps for result in results] == [4] * 7
    engine.close()
    assert sum(model.encoded) == sum(model.decoded) == 7
    # At least those of the four that run alone.
    assert model.encoded.count(1) >= 4
    assert model.decoded.count(1) >= 4
    assert model.calls.count(1) >= 4 * 4
    if stage == "encode":
        assert sorted(model.encoded) == [1, 1, 1, 1, 3], "those that may share calls do"


def test_an_impossible_schedule_fails_with_its_reason(engine):
    ticket = engine.submit(request(scheduler="lcm", steps=900))
    with pytest.raises(RowImpossibleError, match=r"lcm cannot take 900 steps .*other steps"):
        ticket.result(PATIENCE)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"prediction_type": "sample"}, {"scheduler": "euler_ancestral"}),
        ({"beta_schedule": "sigmoid"}, {"scheduler": "ddim"}),
        ({"use_beta_sigmas": True}, {"scheduler": "dpmpp_2m", "steps": 60}),
    ],
)
def test_a_scheduler_that_cannot_read_the_models_configuration_is_not_tried_again(
    model, changes, wanted
):
    model.scheduler_config = ArithmeticModel.scheduler_config | changes
    engine = Engine.of_one(model, row_limit=4)
    engine.start()
    try:
        bad, good = engine.submit(request(**wanted)), engine.submit(request(scheduler="unipc"))
        with pytest.raises(RowImpossibleError, match="another scheduler"):
            bad.result(PATIENCE)
        if "beta_schedule" not in changes:
            assert good.result(PATIENCE).steps == 4
    finally:
        engine.close()


def test_draining_finishes_what_runs_and_hands_the_rest_back(engine, model):
    model.gate.clear()
    first = [
        engine.submit(request(width=64, seed=seed)) for seed in range(engine._scheduler.streams)
    ]
    wait_until(lambda: model.together == len(first))
    waiting = [engine.submit(request(seed=seed)) for seed in range(3)]
    engine.drain()
    late = engine.submit(request())
    model.gate.set()
    assert [ticket.result(PATIENCE).steps for ticket in first] == [4] * len(first)
    for ticket in (*waiting, late):
        with pytest.raises(RowHandedBackError):
            ticket.result(PATIENCE)


def test_draining_finishes_what_stood_back_for_more_urgent_rows(model):
    engine = Engine.of_one(model, row_limit=1)
    engine.start()
    model.gate.clear()
    begun = engine.submit(request(steps=5, lane=Lane.BULK))
    wait_until(lambda: model.together == 1)
    urgent = engine.submit(request(steps=200, lane=Lane.INTERACTIVE))
    waiting = engine.submit(request(seed=2, lane=Lane.BULK))
    wait_until(lambda: len(engine._scheduler) == 3)
    model.gate.set()
    wait_until(lambda: len(model.calls) > 2)
    engine.drain()
    assert [ticket.result(PATIENCE).steps for ticket in (begun, urgent)] == [5, 200]
    with pytest.raises(RowHandedBackError):
        waiting.result(PATIENCE)
    engine.close()


def test_closing_leaves_no_ticket_open(model, streams):
    engine = Engine.of_one(model, row_limit=2, streams=streams)
    engine.start()
    tickets = [engine.submit(request(steps=900, seed=seed)) for seed in range(5)]
    wait_until(lambda: model.calls)
    engine.close()
    for ticket in tickets:
        with pytest.raises(RowHandedBackError):
            ticket.result(PATIENCE)


def test_the_watchdog_bites_when_a_call_never_returns(model):
    reasons: list[str] = []
    watchdog = Watchdog(limit_seconds=0.05, on_bite=reasons.append)
    engine = Engine.of_one(model, row_limit=2, watchdog=watchdog)
    engine.start()
    model.gate.clear()
    engine.submit(request())
    wait_until(lambda: reasons)
    assert "UNet" in reasons[0]
    model.gate.set()
    engine.close()


class CostlyModel(HeldModel):
    """Its calls take as long as it says, by a clock of each thread's own."""

    ENCODE = 3.0
    """Seconds of a call, and for each of its texts."""
    UNET = 5.0
    DECODE = 7.0

    def __init__(self) -> None:
        super().__init__("encode")
        self._time = threading.local()
        self.total = 0.0
        """Of all calls."""
        self.worked = 0.0
        """Of the UNet's calls that did not fail."""

    def clock(self) -> float:
        return getattr(self._time, "now", 0.0)

    def take(self, seconds: float) -> None:
        self._time.now = self.clock() + seconds
        with self._lock:
            self.total += seconds

    def encode(self, texts: Sequence[str]) -> list[Conditioning]:
        self.take(self.ENCODE * (1 + len(texts)))
        return super().encode(texts)

    def predict(self, inputs: StepInputs) -> tuple[np.ndarray, list[Features]]:
        seconds = self.UNET * (1 + len(inputs.samples))
        self.take(seconds)
        predicted = super().predict(inputs)
        with self._lock:
            self.worked += seconds
        return predicted

    def decode(self, latents: np.ndarray) -> np.ndarray:
        self.take(self.DECODE * (1 + len(latents)))
        return super().decode(latents)


@pytest.fixture
def costly(streams: int):
    model = CostlyModel()
    engine = Engine.of_one(model, row_limit=4, streams=streams, clock=model.clock)
    engine.start()
    yield engine, model
    model.released.set()
    engine.close()


def test_the_seconds_of_all_rows_are_those_of_all_calls(costly):
    engine, model = costly
    asked = [
        *(request(prompt=f"mug {n}", seed=n, steps=n + 1) for n in range(6)),
        *(request(prompt=f"cup {n}", guidance_scale=2.0, steps=3) for n in range(4)),
        request(
            prompt="vase",
            guidance_scale=2.0,
            guidance_start=0.5,
            guidance_end=1.0,
            steps=6,
            width=64,
        ),
        request(prompt="retry", solo=True),
    ]
    tickets = [engine.submit(one) for one in asked]
    model.released.set()
    results = [ticket.result(PATIENCE) for ticket in tickets]
    assert sum(result.seconds for result in results) == pytest.approx(model.total)
    assert all(0 < result.unet_seconds < result.seconds for result in results)
    retry = results[-1]
    assert retry.unet_seconds == 4 * 2 * model.UNET
    assert retry.seconds == 2 * model.ENCODE + retry.unet_seconds + 2 * model.DECODE


@pytest.mark.parametrize("streams", [1], indirect=True)
def test_a_row_is_charged_its_share_of_the_calls_that_it_shares(costly):
    engine, model = costly
    ahead = engine.submit(request(prompt="ahead", solo=True))
    wait_until(model.entered.is_set)
    tickets = [
        engine.submit(request(prompt="mug")),
        engine.submit(request(prompt="vase", guidance_scale=3.0)),
    ]
    model.released.set()
    ahead.result(PATIENCE)
    plain, guided = (ticket.result(PATIENCE) for ticket in tickets)
    assert model.calls.count(3) == 4, "they shared all their steps"
    assert plain.unet_seconds == pytest.approx(4 * 4 * model.UNET / 3)
    assert guided.unet_seconds == pytest.approx(2 * plain.unet_seconds)
    # Three texts, one of them empty; two images.
    assert plain.seconds - plain.unet_seconds == pytest.approx(
        4 * model.ENCODE / 3 + 3 * model.DECODE / 2
    )


def test_calls_that_fail_are_charged_to_nobody(costly):
    engine, model = costly
    model.poison = float(len("poison"))
    bad = engine.submit(request(prompt="poison"))
    good = [engine.submit(request(prompt=f"mug {n}", seed=n)) for n in range(3)]
    model.released.set()
    results = [ticket.result(PATIENCE) for ticket in good]
    with pytest.raises(RowFailedError, match="poisoned"):
        bad.result(PATIENCE)
    charged = sum(result.unet_seconds for result in results)
    assert charged == pytest.approx(model.worked)
    assert charged < sum(model.UNET * (1 + rows) for rows in model.calls)
