"""The UNet's compiled shapes, on a graph of three operations."""

import threading

import numpy as np
import openvino as ov
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openvino import opset13 as ops

from worker.model import HIDDEN_STATES, StepInputs
from worker.unet import SPARE, UNet, fixed_batch

TOKENS, FEATURES = 5, 3


def graph() -> ov.Model:
    """sample · timestep + the states' mean + the scale's: a row depends on that row alone."""
    sample = ops.parameter([-1, 4, -1, -1], np.float32, name="sample")
    timestep = ops.parameter([1], np.int64, name="timestep")
    states = ops.parameter([-1, -1, FEATURES], np.float32, name="encoder_hidden_states")
    scales = ops.parameter([-1, 2], np.float32, name="timestep_cond")
    for node in (sample, timestep, states, scales):
        node.output(0).get_tensor().set_names({node.get_friendly_name()})
    scale = ops.convert(ops.reshape(timestep, [-1, 1, 1, 1], special_zero=False), "f32")
    mean = ops.reshape(ops.reduce_mean(states, [1, 2]), [-1, 1, 1, 1], special_zero=False)
    scaled = ops.reshape(ops.reduce_mean(scales, [1]), [-1, 1, 1, 1], special_zero=False)
    output = ops.add(ops.add(ops.multiply(sample, scale), mean), scaled)
    return ov.Model([output], [sample, timestep, states, scales], "unet")


@pytest.fixture
def compiled() -> list[ov.Model]:
    return []


@pytest.fixture
def make(compiled):
    core = ov.Core()

    def compile_model(model):
        compiled.append(model)
        return core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def make(**values) -> UNet:
        return UNet(graph(), compile_model, tokens=TOKENS, **values)

    return make


def inputs(rows: int, *, side: int = 2, seed: int = 0) -> StepInputs:
    rng = np.random.default_rng(seed)
    samples = rng.standard_normal((rows, 4, side, side)).astype(np.float32)
    states = rng.standard_normal((rows, TOKENS, FEATURES)).astype(np.float32)
    scales = rng.standard_normal((rows, 2)).astype(np.float32)
    timesteps = [float(n) + 0.5 for n in range(rows)]
    return StepInputs(
        samples=samples,
        timesteps=timesteps,
        conditioning={HIDDEN_STATES: states, "timestep_cond": scales},
    )


def expected(given: StepInputs) -> np.ndarray:
    states, scales = given.conditioning[HIDDEN_STATES], given.conditioning["timestep_cond"]
    means = states.mean(axis=(1, 2)) + scales.mean(axis=1)
    timesteps = np.array(given.timesteps)
    return given.samples * timesteps[:, None, None, None] + means[:, None, None, None]


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("side", [2, 3])
def test_every_row_gets_its_own_whatever_the_shape_is_compiled_for(make, rows: int, side: int):
    unet = make(fixed=[(4, 2, 2), (2, 2, 2)])
    given = inputs(rows, side=side)
    np.testing.assert_allclose(unet.predict(given)[0], expected(given), rtol=1e-5, atol=1e-5)


def test_a_fixed_shape_is_compiled_beside_the_one_for_all(make, compiled):
    make(fixed=[(4, 2, 2), (4, 2, 2)])
    assert [model.is_dynamic() for model in compiled] == [True, False]
    assert list(compiled[1].input("sample").shape) == [4, 4, 2, 2]


def test_streams_do_not_mix_their_rows(make):
    unet = make(streams=3, fixed=[(4, 2, 2)])
    wrong = []

    def work(seed: int) -> None:
        for rows in (4, 2, 3, 1) * 20:
            given = inputs(rows, seed=seed)
            if not np.allclose(unet.predict(given)[0], expected(given), atol=1e-5):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_prediction_outlives_the_next_call(make):
    unet = make()
    given = inputs(2)
    first, _ = unet.predict(given)
    unet.predict(inputs(2, seed=9))
    np.testing.assert_allclose(first, expected(given), rtol=1e-5, atol=1e-5)


@given(rows=st.integers(1, 64), batches=st.lists(st.integers(1, 64), max_size=6))
def test_a_fixed_batch_holds_its_rows_with_little_to_spare(rows: int, batches: list[int]):
    batch = fixed_batch(rows, batches)
    if batch is None:
        assert not any(rows <= size <= rows / (1 - SPARE) for size in batches)
    else:
        assert batch in batches
        assert batch * (1 - SPARE) <= rows <= batch
        assert not any(rows <= size < batch for size in batches)
