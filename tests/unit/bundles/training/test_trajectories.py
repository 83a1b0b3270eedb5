"""A teacher's own denoising as training data."""

from itertools import islice, pairwise

import pytest
import torch
from diffusers import DDPMScheduler
from torch import nn

from modelkit.training.teacher import STEPS, Trajectories

SLOTS = 2


class Oracle(nn.Module):
    """Sees one image in everything, and says so in the way that the schedule wants."""

    def __init__(self, scheduler: DDPMScheduler) -> None:
        super().__init__()
        self.scheduler = scheduler
        self.clean = torch.linspace(-1, 1, 16).reshape(1, 1, 4, 4)

    def levels(self, timestep):
        signal = self.scheduler.alphas_cumprod[timestep.long()].reshape(-1, 1, 1, 1)
        return signal.sqrt(), (1 - signal).sqrt()

    def noise(self, sample, timestep):
        alpha, sigma = self.levels(timestep)
        return (sample - alpha * self.clean) / sigma

    def forward(self, sample, timestep, states, return_dict):
        alpha, sigma = self.levels(timestep)
        noise = self.noise(sample, timestep)
        right = {
            "epsilon": noise,
            "v_prediction": alpha * noise - sigma * self.clean,
            "sample": self.clean.expand_as(sample),
        }
        return (right[self.scheduler.config.prediction_type],)


def stream(teacher, scheduler, seed=0):
    states = torch.arange(3.0).reshape(3, 1, 1).expand(3, 2, 5)
    return iter(
        Trajectories(
            teacher, scheduler, states, torch.full((1, 2, 5), -1.0),
            shape=(1, 4, 4), slots=SLOTS, guidance=(1.0, 6.0), device="cpu", seed=seed,
        )
    )  # fmt: skip


def schedule(prediction="epsilon"):
    return DDPMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        prediction_type=prediction,
    )  # fmt: skip


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_a_trajectory_goes_straight_from_its_noise_to_what_the_teacher_sees(prediction):
    scheduler = schedule(prediction)
    teacher = Oracle(scheduler)
    calls = list(islice(stream(teacher, scheduler), 3 * STEPS[1]))
    for slot in range(SLOTS):
        times = [int(call.timestep[slot]) for call in calls]
        starts = [number for number, time in enumerate(times) if time == 999]
        assert starts[0] == 0
        assert len(starts) >= 3
        for start, end in pairwise(starts):
            assert STEPS[0] <= end - start <= STEPS[1]
            assert times[start:end] == sorted(times[start:end], reverse=True)
            noises = [
                teacher.noise(call.sample[slot : slot + 1], call.timestep[slot])
                for call in calls[start:end]
            ]
            assert all(torch.allclose(noise, noises[0], atol=1e-3) for noise in noises)


def test_rows_come_with_their_prompt_first_and_then_without():
    scheduler = schedule()
    call = next(stream(Oracle(scheduler), scheduler))
    assert call.sample.shape == call.output.shape == (2 * SLOTS, 1, 4, 4)
    assert torch.equal(call.sample[:SLOTS], call.sample[SLOTS:])
    assert set(call.states[:SLOTS].flatten().tolist()) <= {0.0, 1.0, 2.0}
    assert set(call.states[SLOTS:].flatten().tolist()) == {-1.0}


def test_what_is_recorded_is_what_the_teacher_said_before_guidance():
    scheduler = schedule()
    teacher = Oracle(scheduler)
    call = next(stream(teacher, scheduler))
    again = teacher(call.sample, call.timestep, call.states, return_dict=False)[0]
    assert torch.equal(call.output, again)


def test_the_same_seed_gives_the_same_calls():
    scheduler = schedule()
    one, same, other = (
        list(islice(stream(Oracle(scheduler), scheduler, seed), 12)) for seed in (1, 1, 2)
    )
    for first, second in zip(one, same, strict=True):
        assert torch.equal(first.sample, second.sample)
        assert torch.equal(first.timestep, second.timestep)
    assert not torch.equal(one[0].sample, other[0].sample)


def test_guidance_puts_the_halves_of_a_call_together():
    scheduler = schedule()
    call = next(stream(Oracle(scheduler), scheduler))
    assert call.guidance.shape == (SLOTS, 1, 1, 1)
    # The oracle sees the same in both rows, so guidance changes nothing.
    torch.testing.assert_close(call.guided(call.output), call.output[:SLOTS])
    apart = torch.cat([torch.ones(SLOTS, 1, 4, 4), torch.zeros(SLOTS, 1, 4, 4)])
    torch.testing.assert_close(call.guided(apart), call.guidance.expand(SLOTS, 1, 4, 4))
