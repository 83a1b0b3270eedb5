"""The scan for sensitive layers, on made-up noise: no model is needed to decide."""

import math
import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelkit.quantise.search import ScanLimits, find_sensitive, role
from modelkit.quantise.units import Unit


def unit(name: object, work: int = 1) -> Unit:
    return Unit(layers=(str(name),), quantisers=(f"quantiser of {name}",), work=work)


class Noise:
    """Layers whose noise adds up, and how often somebody measured."""

    def __init__(
        self,
        powers: Sequence[float],
        works: Sequence[int] | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        works = works or [1] * len(powers)
        names = names or [f"layer_{number}" for number in range(len(powers))]
        self.units = [unit(name, work) for name, work in zip(names, works, strict=True)]
        self.power = dict(zip(self.units, powers, strict=True))
        self.measurements = 0

    def __call__(self, kept: Sequence[Unit]) -> float:
        self.measurements += 1
        left = sum(power for unit, power in self.power.items() if unit not in kept)
        return 200.0 if left <= 0 else min(200.0, -10 * math.log10(left))


def test_the_noisiest_layer_is_found_among_few():
    noise = Noise([1e-5, 1e-5, 1e-2, 1e-5])
    limits = ScanLimits(wanted_db=40, most_work=0.5, measurements=20)
    assert find_sensitive(noise.units, noise, limits) == (noise.units[2],)


def test_the_noisy_layers_of_one_role_are_found_among_many_without_measuring_each():
    names = [
        f"unet.down.{block}.{role}/MatMul"
        for block in range(25)
        for role in ("to_q", "to_k", "to_v", "ff.net.0", "ff.net.2", "conv1", "conv2", "out")
    ]
    powers = [1e-3 if re.search(r"[.](3|14|22)[.]ff[.]net[.]2", name) else 1e-7 for name in names]
    noise = Noise(powers, names=names)
    noisy = {unit for unit in noise.units if noise.power[unit] == 1e-3}
    kept = find_sensitive(
        noise.units, noise, ScanLimits(wanted_db=40, most_work=0.1, measurements=40)
    )
    assert set(kept) >= noisy
    assert len(kept) <= 20
    assert noise.measurements <= 40


def test_layers_whose_names_say_nothing_are_divided_all_the_same():
    powers = [1e-6] * 200
    powers[140] = 1e-2
    noise = Noise(powers)
    kept = find_sensitive(
        noise.units, noise, ScanLimits(wanted_db=30, most_work=0.1, measurements=60)
    )
    assert noise.units[140] in kept
    assert noise.measurements <= 60


@pytest.mark.parametrize(
    ("layer", "wanted"),
    [
        ("__module.unet.conv_in/aten::_convolution/Convolution", "unet.conv_in"),
        ("__module.down_blocks.0.resnets.1.conv1/aten::_convolution/Convolution", "resnets.conv1"),
        ("__module.up_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k/MatMul", "attn2.to_k"),
        ("__module.up_blocks.1.attentions.0.transformer_blocks.0.ff.net.2/MatMul", "ff.net.2"),
        ("__module.up_blocks.1.attentions.0.transformer_blocks.0.ff.net.0.proj/MatMul", "net.proj"),
        ("conv", "conv"),
    ],
)
def test_layers_at_the_same_place_of_different_blocks_have_the_same_role(layer, wanted):
    assert role(unit(layer)).removeprefix("__module.") == wanted


def test_nothing_is_kept_when_the_noise_is_small_enough():
    noise = Noise([1e-5, 1e-5])
    limits = ScanLimits(wanted_db=40, most_work=1, measurements=20)
    assert find_sensitive(noise.units, noise, limits) == ()
    assert noise.measurements == 1


def test_of_two_equally_noisy_layers_the_one_with_less_work_is_kept():
    noise = Noise([1e-3, 1e-3], [900, 100])
    limits = ScanLimits(wanted_db=60, most_work=0.2, measurements=20)
    assert find_sensitive(noise.units, noise, limits) == (noise.units[1],)


def test_a_model_without_quantised_layers_keeps_nothing():
    assert find_sensitive([], lambda kept: 20.0, ScanLimits(
        wanted_db=40, most_work=1, measurements=20)) == ()  # fmt: skip


LAYERS = st.lists(st.tuples(st.floats(0, 1e-2), st.integers(1, 100)), min_size=1, max_size=60)


@given(LAYERS, st.floats(0, 1), st.integers(2, 60))
def test_the_limits_hold_and_the_noise_never_grows(layers, most_work: float, measurements: int):
    noise = Noise([power for power, _ in layers], [work for _, work in layers])
    limits = ScanLimits(wanted_db=50, most_work=most_work, measurements=measurements)
    kept = find_sensitive(noise.units, noise, limits)
    assert noise.measurements <= measurements
    total = sum(unit.work for unit in noise.units)
    assert sum(unit.work for unit in kept) <= most_work * total + 1e-6
    assert len(set(kept)) == len(kept)
    assert noise(kept) >= noise(())
