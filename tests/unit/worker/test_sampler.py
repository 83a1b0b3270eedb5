"""A row's walk is that of a diffusers pipeline with the same generator, whatever it draws."""

import inspect
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

from core.domain.schedulers import SCHEDULERS, corrected
from tests.unit.worker.test_engine import PATIENCE, ArithmeticModel, request
from worker.engine import Engine
from worker.sampler import Sampler
from worker.walk import Resume

SHAPE = (4, 8, 8)
STEPS = 6
SDE = {"algorithm_type": "sde-dpmsolver++"}
DRAWING = {
    "sde": ("dpmpp_2m", SDE),
    "sde-karras": ("dpmpp_2m", SDE | {"use_karras_sigmas": True}),
    "sde-heun": ("dpmpp_2m", SDE | {"solver_type": "heun"}),
    "sde-old": ("dpmpp_2m", {"algorithm_type": "sde-dpmsolver"}),
    "ancestral": ("euler_ancestral", {}),
    "lcm": ("lcm", {}),
}
"""Schedulers that draw noise at their steps, and what makes them do it."""
NOT_DRAWING = {name: (name, SDE) for name in ("ddim", "euler", "unipc", "pndm", "tcd")}


def config(**changes: Any) -> dict[str, Any]:
    return ArithmeticModel.scheduler_config | changes


def walk(name: str, changes: dict[str, Any], **more: Any) -> np.ndarray:
    values = {"steps": STEPS, "guidance_scale": 1.0, "seed": 5, "shape": SHAPE} | more
    one = Sampler(scheduler=name, config=config(**changes), **values)
    while not one.done:
        one.step(one.model_input() * np.float32(0.5))
    return one.latents


def as_diffusers(name: str, changes: dict[str, Any]) -> np.ndarray:
    """Denoise as `StableDiffusionPipeline.__call__` does, with one generator for everything."""
    generator = torch.Generator().manual_seed(5)
    kind = getattr(diffusers, SCHEDULERS[name])
    scheduler = kind.from_config(corrected(name, config(**changes))[0])
    accepted = inspect.signature(scheduler.step).parameters
    # As `prepare_extra_step_kwargs` of its pipelines, whose `eta` is 0 where nobody gives it.
    extra = {"generator": generator, "eta": 0.0}
    extra = {name: value for name, value in extra.items() if name in accepted}
    scheduler.set_timesteps(STEPS)
    latents = torch.randn((1, *SHAPE), generator=generator) * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:
        prediction = scheduler.scale_model_input(latents, timestep) * 0.5
        latents = scheduler.step(prediction, timestep, latents, return_dict=False, **extra)[0]
    return latents[0].numpy()


@pytest.mark.filterwarnings("ignore:.*algorithm_type.*:FutureWarning")
@pytest.mark.parametrize("case", [*DRAWING, *NOT_DRAWING])
def test_a_row_walks_as_diffusers_does_with_the_same_generator(case):
    name, changes = (DRAWING | NOT_DRAWING)[case]
    torch.manual_seed(1)
    ours = walk(name, changes)
    torch.manual_seed(2)  # What the process draws elsewhere is of no account.
    np.testing.assert_array_equal(ours, walk(name, changes))
    np.testing.assert_array_equal(ours, as_diffusers(name, changes))
    assert not np.array_equal(ours, walk(name, changes, seed=6))


@pytest.mark.parametrize("share", [0.0, 0.7, 1.0])
def test_guidance_is_rescaled_as_diffusers_does_it(share: float):
    random = torch.Generator().manual_seed(3)
    prompted, without = (torch.randn(1, *SHAPE, generator=random) for _ in range(2))
    guided = without + 7.5 * (prompted - without)
    wanted = rescale_noise_cfg(guided, prompted, guidance_rescale=share)
    assert torch.equal(wanted, guided) == (share == 0.0)
    one, other = (
        Sampler(scheduler="euler", config=config(), steps=STEPS, seed=5, shape=SHAPE, **values)
        for values in ({"guidance_scale": 7.5, "guidance_rescale": share}, {"guidance_scale": 1.0})
    )
    one.step(prompted[0].numpy(), without[0].numpy())
    other.step(wanted[0].numpy())
    np.testing.assert_allclose(one.latents, other.latents, rtol=1e-5)


@pytest.mark.parametrize("case", ["sde", "sde-karras", "sde-heun", "ancestral"])
def test_a_row_that_begins_half_way_draws_the_same_noise_from_there_on(case):
    name, changes = DRAWING[case]
    begin = Resume(step=2, latents=np.zeros(SHAPE, np.float16))
    state = torch.random.get_rng_state()
    once, again = (walk(name, changes, begin=begin) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, walk(name, changes, begin=begin, seed=6))
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("streams", [1, 2])
def test_drawn_noise_is_a_rows_own_in_any_company(streams):
    model = ArithmeticModel()
    model.scheduler_config = config(**SDE)
    engine = Engine.of_one(model, row_limit=4, streams=streams)
    engine.start()
    wanted = [
        {"scheduler": name, "seed": seed, "steps": 4 + seed % 3}
        for seed, name in enumerate(("dpmpp_2m", "lcm", "dpmpp_2m", "euler_ancestral") * 2)
    ]
    try:
        alone = [engine.submit(request(**one)).result(PATIENCE).image for one in wanted]
        tickets = [engine.submit(request(**one)) for one in wanted]
        together = [ticket.result(PATIENCE).image for ticket in tickets]
    finally:
        engine.close()
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(alone[0], alone[2])
