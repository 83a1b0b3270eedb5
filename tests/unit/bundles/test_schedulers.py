"""Schedulers made from models' own configurations, and tried on them."""

from typing import Any

import diffusers
import pytest
import torch

from bundles.schedulers import make_scheduler
from core.domain.schedulers import KNOWN, SCHEDULERS, StepLimits
from core.errors import BundleError
from modelkit.export.scheduler_trials import check_default, try_scheduler, try_schedulers

STABLE_DIFFUSION: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "clip_sample": False,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
}


def trial(name: str, **changes: Any) -> tuple[StepLimits | None, str]:
    return try_scheduler(name, STABLE_DIFFUSION | changes)


@pytest.mark.parametrize("name", KNOWN)
def test_every_scheduler_reads_the_configuration_of_stable_diffusion(name):
    limits, reason = trial(name)
    assert limits == StepLimits(least=1, most=50 if name in ("lcm", "tcd") else 999)
    assert reason == ""


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("solver", ["logrho", "bh2"])
def test_a_deis_configuration_suits_every_scheduler(name, solver):
    limits, reason = trial(name, algorithm_type="deis", solver_type=solver, solver_order=2)
    assert limits is not None, reason


def test_deis_becomes_what_its_class_says_it_becomes():
    config = STABLE_DIFFUSION | {"algorithm_type": "deis", "solver_type": "logrho"}
    made = make_scheduler("dpmpp_2m", config).config
    wanted = diffusers.DPMSolverMultistepScheduler.from_config(
        STABLE_DIFFUSION | {"algorithm_type": "dpmsolver++", "solver_type": "midpoint"}
    ).config
    assert {k: v for k, v in made.items() if k[0] != "_"} == {
        k: v for k, v in wanted.items() if k[0] != "_"
    }


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("euler_ancestral", {"prediction_type": "sample"}, "prediction_type"),
        ("pndm", {"prediction_type": "sample"}, "prediction_type"),
        ("ddim", {"beta_schedule": "sigmoid"}, "sigmoid"),
        ("dpmpp_2m", {"algorithm_type": "invented"}, "invented"),
        ("dpmpp_2m", {"variance_type": "learned_range"}, "size of tensor"),
        ("unipc", {"use_dynamic_shifting": True}, "mu"),
        ("lcm", {"rescale_betas_zero_snr": True}, "finite"),
    ],
)
def test_a_scheduler_that_cannot_work_says_why(name, changes, said):
    limits, reason = trial(name, **changes)
    assert limits is None
    assert said in reason
    assert "\n" not in reason


def denoises(name: str, steps: int, config: dict[str, Any]) -> bool:
    scheduler = make_scheduler(name, config)
    try:
        scheduler.set_timesteps(steps)
        latents = torch.ones(1, 4, 2, 2)
        for timestep in scheduler.timesteps:
            latents = scheduler.step(latents / 2, timestep, latents, return_dict=False)[0]
    except (AssertionError, IndexError, ValueError):
        return False
    return True


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("pndm", {"skip_prk_steps": False}),
        ("dpmpp_2m", {"use_beta_sigmas": True}),
        ("lcm", {"original_inference_steps": 13}),
        ("tcd", {"original_inference_steps": 13}),
        ("ddim", {"num_train_timesteps": 30}),
    ],
)
def test_limits_are_the_last_steps_that_the_scheduler_itself_takes(name, changes):
    config = STABLE_DIFFUSION | changes
    limits, _ = try_scheduler(name, config)
    assert limits is not None
    assert limits.most is not None
    assert denoises(name, limits.least, config)
    assert limits.least == 1 or not denoises(name, limits.least - 1, config)
    if limits.most < 999:
        assert denoises(name, limits.most, config)
        assert not denoises(name, limits.most + 1, config)


def test_what_is_made_is_not_shared():
    one, other = (make_scheduler("ddim", STABLE_DIFFUSION) for _ in range(2))
    one.set_timesteps(3)
    assert len(other.timesteps) == 1000
    assert set(SCHEDULERS) == set(KNOWN)


def test_a_record_tells_what_works_with_what_and_what_is_changed():
    config = STABLE_DIFFUSION | {"algorithm_type": "deis", "prediction_type": "sample"}
    found = try_schedulers(config)
    assert list(found) == list(KNOWN)
    assert {name for name, one in found.items() if not one.works} == {"euler_ancestral", "pndm"}
    assert found["lcm"].limits == StepLimits(most=50)
    assert "dpmsolver++" in found["dpmpp_2m"].remark
    assert found["ddim"].remark == ""


@pytest.mark.parametrize(
    ("changes", "default", "said"),
    [
        ({"prediction_type": "sample"}, ("pndm", 20), r"prediction_type.*--scheduler .*ddim"),
        ({}, ("lcm", 51), r"takes 1 to 50 steps.*dpmpp_2m"),
        ({}, ("heun", 20), "there is no such scheduler"),
        ({"beta_schedule": "sigmoid"}, ("ddim", 20), "sigmoid.*no scheduler can"),
    ],
)
def test_a_default_that_cannot_draw_is_refused_with_the_way_out(changes, default, said):
    tried = try_schedulers(STABLE_DIFFUSION | changes)
    check_default("ddim", 20, try_schedulers(STABLE_DIFFUSION))
    with pytest.raises(BundleError, match=said):
        check_default(*default, tried)
