"""What is known of schedulers without a model library."""

import pytest

from core.domain.schedulers import (
    KNOWN,
    NOT_RESUMABLE,
    SCHEDULERS,
    StepLimits,
    corrected,
    is_stochastic,
    step_limits,
)


def test_the_short_tables_come_from_the_long_one():
    assert set(SCHEDULERS) == set(KNOWN)
    assert SCHEDULERS["lcm"] == KNOWN["lcm"].class_name == "LCMScheduler"
    assert set(NOT_RESUMABLE) == {"pndm", "lcm", "tcd"}


@pytest.mark.parametrize(
    ("name", "config", "most"),
    [
        ("lcm", {}, 50),
        ("lcm", {"original_inference_steps": 100}, 100),
        ("lcm", {"original_inference_steps": 50, "num_train_timesteps": 40}, 39),
        ("lcm", {"original_inference_steps": None}, 50),
        ("tcd", {}, 50),
        ("tcd", {"original_inference_steps": 8}, 8),
        ("ddim", {}, 999),
        ("euler", {"num_train_timesteps": 100, "original_inference_steps": 20}, 99),
    ],
)
def test_a_configuration_limits_the_steps(name, config, most):
    limits = step_limits(name, config)
    assert limits == StepLimits(least=1, most=most)
    assert limits.allows(most)
    assert not limits.allows(most + 1)
    assert not limits.allows(0)


def test_no_limit_allows_any_number_from_the_least_on():
    assert StepLimits(least=4).allows(4000)
    assert not StepLimits(least=4).allows(3)


@pytest.mark.parametrize("algorithm", ["sde-dpmsolver", "sde-dpmsolver++"])
def test_an_sde_algorithm_draws_noise_with_the_solver_that_reads_it_alone(algorithm):
    config = {"algorithm_type": algorithm}
    assert is_stochastic("dpmpp_2m", config)
    assert not is_stochastic("dpmpp_2m", {"algorithm_type": "dpmsolver++"})
    assert not is_stochastic("unipc", config)
    assert is_stochastic("euler_ancestral", config)


@pytest.mark.parametrize(
    ("config", "changes"),
    [
        ({"algorithm_type": "deis"}, {"algorithm_type": "dpmsolver++"}),
        ({"algorithm_type": "dpmsolver"}, {"final_sigmas_type": "sigma_min"}),
        ({"algorithm_type": "sde-dpmsolver"}, {"final_sigmas_type": "sigma_min"}),
        ({"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}, {}),
        ({"algorithm_type": "sde-dpmsolver++"}, {}),
        ({"algorithm_type": "invented"}, {}),
        ({}, {}),
    ],
)
def test_only_what_a_solver_cannot_read_is_mended(config, changes):
    mended, remark = corrected("dpmpp_2m", config)
    assert mended == config | changes
    assert bool(remark) == bool(changes)
    assert corrected("unipc", config) == (config, None)
