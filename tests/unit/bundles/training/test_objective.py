"""What a model is trained to predict, and how errors are weighed."""

import pytest
import torch
from diffusers import DDPMScheduler
from torch import nn

from modelkit.training.device import choose_device
from modelkit.training.finetune import denoising_loss

PREDICTIONS = ["epsilon", "v_prediction", "sample"]
ROWS = 16


def schedule(prediction: str) -> DDPMScheduler:
    return DDPMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
        prediction_type=prediction,
    )  # fmt: skip


class Oracle(nn.Module):
    """Knows the clean latents, and so every right answer; says it a little wrong if wanted."""

    def __init__(self, clean: torch.Tensor, scheduler: DDPMScheduler, error: float) -> None:
        super().__init__()
        self.clean, self.scheduler, self.error = clean, scheduler, error
        self.timesteps: list[int] = []

    def forward(self, sample, timestep, states, return_dict):
        self.timesteps += timestep.int().tolist()
        signal = self.scheduler.alphas_cumprod[timestep.long()].reshape(-1, 1, 1, 1)
        noise = (sample - signal.sqrt() * self.clean) / (1 - signal).sqrt()
        right = {
            "epsilon": noise,
            "v_prediction": signal.sqrt() * noise - (1 - signal).sqrt() * self.clean,
            "sample": self.clean,
        }[self.scheduler.config.prediction_type]
        return (right + self.error,)


def loss(oracle: Oracle, min_snr: float | None = None) -> float:
    return float(
        denoising_loss(
            oracle,
            oracle.scheduler,
            oracle.clean,
            torch.zeros(ROWS, 1, 1),
            min_snr=min_snr,
            device=choose_device("cpu", mixed=False),
            random=torch.Generator().manual_seed(0),
        )
    )


@pytest.fixture
def clean():
    return torch.randn(ROWS, 4, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_whoever_predicts_right_has_no_loss(clean, prediction):
    scheduler = schedule(prediction)
    assert loss(Oracle(clean, scheduler, 0.0)) < 1e-6
    assert loss(Oracle(clean, scheduler, 0.1)) == pytest.approx(0.01, rel=1e-3)


def test_the_batch_covers_all_noise_levels(clean):
    oracle = Oracle(clean, schedule("epsilon"), 0.0)
    loss(oracle)
    parts = [timestep * ROWS // 1000 for timestep in oracle.timesteps]
    assert parts == list(range(ROWS))


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_min_snr_bounds_the_weight_of_clean_rows(clean, prediction):
    """Section 3.4 of Hang et al., 2023: min(SNR, 5) over SNR, over SNR + 1, or over one."""
    scheduler = schedule(prediction)
    oracle = Oracle(clean, scheduler, 1.0)
    weighed = loss(oracle, min_snr=5.0)
    signal = scheduler.alphas_cumprod[torch.tensor(oracle.timesteps)]
    ratio = signal / (1 - signal)
    divisor = {"epsilon": ratio, "v_prediction": ratio + 1, "sample": torch.ones(ROWS)}[prediction]
    expected = (ratio.clamp(max=5) / divisor).mean()
    assert weighed == pytest.approx(float(expected), rel=1e-3)
