"""Memory for rows: looked at before one is computed, and calls of large ones are narrow."""

import numpy as np
import pytest

from bundles.row_memory import RowMemory
from tests.unit.worker.test_engine import PATIENCE, ArithmeticModel, request, wait_until
from worker.engine import Engine
from worker.headroom import Headroom, ShortOfMemoryError
from worker.loaded import LoadedModel
from worker.rows import RowImpossibleError, RowTooLargeError
from worker.turns import CallLimits

MEMORY = RowMemory(unet=1, decoder=2, scale=8)
"""A byte for each latent of a UNet row, two for each that is decoded."""


class Machine:
    """So many bytes are free, and some more once a model is unloaded."""

    def __init__(self, free: int, *, idle: int = 0) -> None:
        self.free, self.idle = free, idle

    def relieve(self) -> bool:
        self.free, self.idle, relieved = self.free + self.idle, 0, bool(self.idle)
        return relieved

    def headroom(self, tile: int = 0) -> Headroom:
        return Headroom(MEMORY, tile=tile, free_bytes=lambda: self.free, relieve=self.relieve)


def test_a_size_fits_while_its_rows_and_its_decoder_do():
    # 8 × 8 latents: 64 bytes a row, 128 decoded.
    assert Machine(64 + 128).headroom().images(64, 64, unet_rows=1) == 1
    assert Machine(5 * 128 + 128).headroom().images(64, 64, unet_rows=2) == 5
    with pytest.raises(ShortOfMemoryError, match=r"64 × 64 pixels .* ask for a smaller one"):
        Machine(63 + 128).headroom().images(64, 64, unet_rows=1)
    # In tiles of 4 × 4 latents.
    assert Machine(64 + 32).headroom(tile=32).images(64, 64, unet_rows=1) == 1


def test_what_a_call_took_is_there_for_the_next_one():
    machine = Machine(192)
    headroom = machine.headroom()
    headroom.note_call(64, 64, unet_rows=1)
    headroom.note_decoded(64, 64)
    machine.free = 0
    assert headroom.images(64, 64, unet_rows=1) == 1
    assert headroom.images(32, 32, unet_rows=1) == 4
    with pytest.raises(ShortOfMemoryError):
        headroom.images(64, 64, unet_rows=2)


def test_models_without_rows_go_before_a_row_does():
    machine = Machine(0, idle=192)
    assert machine.headroom().images(64, 64, unet_rows=1) == 1
    assert machine.idle == 0


@pytest.mark.parametrize(
    ("limits", "images", "narrow"),
    [((8, 1), 3, (3, 1)), ((8, 2), 5, (2, 2)), ((8, 2), 1, (1, 1)), ((2, 1), 9, (2, 1))],
)
def test_calls_have_no_more_rows_than_fit(limits, images, narrow):
    assert CallLimits(*limits).within(images) == CallLimits(*narrow)


@pytest.fixture
def machine() -> Machine:
    return Machine(3 * 32 + 32)


@pytest.fixture
def model() -> ArithmeticModel:
    return ArithmeticModel()


@pytest.fixture
def engine(model, machine):
    loaded = LoadedModel(
        model, limits=CallLimits(row_limit=8, streams=1), headroom=machine.headroom()
    )
    engine = Engine({"": loaded}, row_limit=8)
    engine.start()
    yield engine
    model.gate.set()
    engine.close()


def test_a_row_without_memory_fails_before_the_model_runs_and_the_others_go_on(engine, model):
    model.gate.clear()
    asked = [{"seed": seed, "guidance_scale": 3.0} for seed in range(3)]
    tickets = [engine.submit(request(**one)) for one in asked]
    large = engine.submit(request(seed=9, width=4096, height=4096, prompt="a poster"))
    with pytest.raises(RowTooLargeError, match="4096 × 4096") as caught:
        large.result(PATIENCE)
    assert not isinstance(caught.value, RowImpossibleError)
    wait_until(lambda: len(engine._scheduler) == 3)
    model.gate.set()
    images = [ticket.result(PATIENCE).image for ticket in tickets]
    alone = Engine.of_one(ArithmeticModel(), row_limit=8)
    alone.start()
    try:
        for one, image in zip(asked, images, strict=True):
            assert np.array_equal(alone.submit(request(**one)).result(PATIENCE).image, image)
    finally:
        alone.close()
    # 32 bytes each with guidance, of 96: three at once.
    assert max(model.calls) <= 2 * 3
