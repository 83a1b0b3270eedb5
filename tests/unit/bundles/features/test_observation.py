"""How features change, what aligns them, and which blocks are reused for it."""

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from bundles.step_plan import step_plan
from core.errors import BundleError
from modelkit.features.observation import Alignment, Changes
from modelkit.features.variants import plan_blocks

CALLS = 12


def test_changes_are_relative_and_added_up():
    changes = Changes()
    for _ in range(2):
        for call, value in enumerate((1.0, 2.0, 1.6)):
            changes.look(call, {"a": np.full((2, 3, 4, 4), value, np.float32)})
    assert changes.curves() == {"a": pytest.approx((0.0, 0.5, 0.75))}


def test_a_feature_that_is_nothing_changes_by_nothing():
    changes = Changes()
    for call in range(3):
        changes.look(call, {"a": np.zeros((1, 3, 4, 4), np.float32)})
    assert changes.curves() == {"a": (0.0, 0.0, 0.0)}


def test_features_are_looked_at_while_they_last():
    changes, buffer = Changes(), np.ones((1, 3, 4, 4), np.float32)
    changes.look(0, {"a": buffer})
    buffer *= 2
    changes.look(1, {"a": buffer})
    assert changes.curves()["a"] == (0.0, 0.5)


@pytest.mark.parametrize("tokens", [False, True], ids=["maps", "tokens"])
def test_alignment_finds_what_turns_the_old_into_the_new(tokens: bool):
    """Every picture's feature at call 1 and 2 is the same function of the one at call 0."""
    alignment = Alignment([{}, {"a": 0}, {"a": 0}, {}])
    rng = np.random.default_rng(0)
    wide = (1, 1, -1) if tokens else (1, -1, 1, 1)
    scale, shift = np.array([2, -1, 0.5]), np.array([0, 3, -2])
    for _ in range(3):
        shape = (2, 7, 3) if tokens else (2, 3, 4, 5)
        old = rng.standard_normal(shape).astype(np.float32)
        new = (old * scale.reshape(wide) + shift.reshape(wide)).astype(np.float32)
        for call, feature in enumerate((old, new, old, new)):
            alignment.look(call, {"a": feature, "never taken": feature})
    tensors = alignment.tensors()
    assert set(tensors) == {"a.scale", "a.shift"}
    assert tensors["a.scale"].shape == (4, 3)
    np.testing.assert_allclose(tensors["a.scale"][1], scale, atol=1e-5)
    np.testing.assert_allclose(tensors["a.shift"][1], shift, atol=1e-5)
    for call, expected in ((0, 1), (2, 1), (3, 1)):
        np.testing.assert_allclose(tensors["a.scale"][call], expected, atol=1e-5)


def test_alignment_is_the_best_line_through_noise():
    alignment = Alignment([{}, {"a": 0}])
    rng = np.random.default_rng(0)
    old = rng.standard_normal((1, 1, 50, 50)).astype(np.float32)
    new = (3 * old + 1 + rng.standard_normal(old.shape)).astype(np.float32)
    alignment.look(0, {"a": old})
    alignment.look(1, {"a": new})
    slope, intercept = np.polyfit(old.ravel(), new.ravel(), 1)
    tensors = alignment.tensors()
    assert tensors["a.scale"][1, 0] == pytest.approx(slope, rel=1e-4)
    assert tensors["a.shift"][1, 0] == pytest.approx(intercept, rel=1e-4)


def test_a_channel_that_is_the_same_everywhere_is_only_shifted():
    alignment = Alignment([{}, {"a": 0}])
    alignment.look(0, {"a": np.full((1, 1, 4, 4), 5, np.float32)})
    alignment.look(1, {"a": np.full((1, 1, 4, 4), 7, np.float32)})
    tensors = alignment.tensors()
    assert (tensors["a.scale"][1, 0], tensors["a.shift"][1, 0]) == (1, pytest.approx(2))


@pytest.fixture
def model() -> ov.Model:
    """Three blocks, each a matrix product beside a skip connection."""
    sample = ops.parameter([-1, 8], np.float32, name="sample")
    sample.output(0).get_tensor().set_names({"sample"})
    stream, parts = sample, []
    for size in (8, 8, 8):
        part = ops.matmul(stream, np.ones((8, size), np.float32), False, False)
        stream = ops.add(stream, part)
        parts.append(part)
    model = ov.Model([ops.result(node) for node in (stream, *parts)], [sample], "blocks")
    for port, name in zip(model.outputs, ("out_sample", "a", "b", "c"), strict=True):
        port.get_tensor().set_names({name})
    return model


def line(slope: float) -> tuple[float, ...]:
    return tuple(slope * call for call in range(CALLS))


def test_blocks_that_change_least_are_reused(model):
    curves = {"a": line(0.5), "b": line(0.01), "c": line(0.5)}
    caching = plan_blocks(model, curves, 0.3, {"sample": [1, 8]})
    assert [variant.takes for variant in caching.variants] == [(), ("b",)]
    assert caching.variants[1].work == pytest.approx(2 / 3)
    assert set(caching.changes) == {"b"}
    assert step_plan(caching, CALLS) == (0, *(1,) * (CALLS - 1))


def test_two_variants_where_blocks_change_at_different_speeds(model):
    curves = {"a": line(0.1), "b": line(0.02), "c": line(0.9)}
    caching = plan_blocks(model, curves, 0.25, {"sample": [1, 8]})
    assert [variant.takes for variant in caching.variants] == [(), ("b",), ("b", "a")]
    assert [variant.leaves for variant in caching.variants] == [("b", "a"), ("a",), ()]
    assert set(step_plan(caching, CALLS)) >= {0, 2}


def test_a_threshold_that_no_block_meets(model):
    curves = {name: line(0.5) for name in "abc"}
    with pytest.raises(BundleError, match="give a larger number"):
        plan_blocks(model, curves, 0.3, {"sample": [1, 8]})
