"""The scan for sensitive layers, on made-up noise: no model is needed to decide."""

import math
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from bundles.quantise.sensitivity import Limits, find_sensitive
from bundles.quantise.units import Unit


def unit(name: int, work: int = 1) -> Unit:
    return Unit(layers=(f"layer {name}",), quantisers=(f"quantiser {name}",), work=work)


class Noise:
    """Layers whose noise adds up, and how often somebody measured."""

    def __init__(self, powers: Sequence[float], works: Sequence[int] | None = None) -> None:
        works = works or [1] * len(powers)
        self.units = [unit(number, work) for number, work in enumerate(works)]
        self.power = dict(zip(self.units, powers, strict=True))
        self.measurements = 0

    def __call__(self, kept: Sequence[Unit]) -> float:
        self.measurements += 1
        left = sum(power for unit, power in self.power.items() if unit not in kept)
        return 200.0 if left <= 0 else min(200.0, -10 * math.log10(left))


def test_the_noisiest_layer_is_found_among_few():
    noise = Noise([1e-5, 1e-5, 1e-2, 1e-5])
    limits = Limits(wanted_db=40, most_work=0.5, measurements=20)
    assert find_sensitive(noise.units, noise, limits) == (noise.units[2],)


def test_the_noisiest_layers_are_found_among_many_without_measuring_each():
    powers = [1e-6] * 200
    powers[3] = powers[140] = 1e-2
    noise = Noise(powers)
    kept = find_sensitive(noise.units, noise, Limits(wanted_db=30, most_work=0.1, measurements=80))
    assert set(kept) >= {noise.units[3], noise.units[140]}
    assert len(kept) <= 20
    assert noise.measurements <= 80


def test_nothing_is_kept_when_the_noise_is_small_enough():
    noise = Noise([1e-5, 1e-5])
    limits = Limits(wanted_db=40, most_work=1, measurements=20)
    assert find_sensitive(noise.units, noise, limits) == ()
    assert noise.measurements == 1


def test_of_two_equally_noisy_layers_the_one_with_less_work_is_kept():
    noise = Noise([1e-3, 1e-3], [900, 100])
    limits = Limits(wanted_db=60, most_work=0.2, measurements=20)
    assert find_sensitive(noise.units, noise, limits) == (noise.units[1],)


def test_a_model_without_quantised_layers_keeps_nothing():
    assert find_sensitive([], lambda kept: 20.0, Limits(
        wanted_db=40, most_work=1, measurements=20)) == ()  # fmt: skip


LAYERS = st.lists(st.tuples(st.floats(0, 1e-2), st.integers(1, 100)), min_size=1, max_size=60)


@given(LAYERS, st.floats(0, 1), st.integers(2, 60))
def test_the_limits_hold_and_the_noise_never_grows(layers, most_work: float, measurements: int):
    noise = Noise([power for power, _ in layers], [work for _, work in layers])
    limits = Limits(wanted_db=50, most_work=most_work, measurements=measurements)
    kept = find_sensitive(noise.units, noise, limits)
    assert noise.measurements <= measurements
    total = sum(unit.work for unit in noise.units)
    assert sum(unit.work for unit in kept) <= most_work * total + 1e-6
    assert len(set(kept)) == len(kept)
    assert noise(kept) >= noise(())
