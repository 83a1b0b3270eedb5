"""What is known of the schedulers that a request may name, without a model library.

`diffusers` has a class for each; the API checks names and steps with what stands here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TRAIN_STEPS = 1000
"""`num_train_timesteps` where a configuration names none."""


@dataclass(frozen=True, kw_only=True)
class Scheduler:
    """A sampling method."""

    class_name: str
    """Of its class in `diffusers`."""
    stochastic: bool = False
    """Whether each step draws noise, whatever the configuration says."""
    not_resumable: str | None = None
    """Why its images never begin with another image's latents; None: they may."""


@dataclass(frozen=True, kw_only=True)
class StepLimits:
    """How many steps a scheduler can take, both ends included."""

    least: int = 1
    most: int | None = None
    """None: no limit of its own."""

    def allows(self, steps: int) -> bool:
        """Check whether it can take so many."""
        return self.least <= steps and (self.most is None or steps <= self.most)

    def describe(self) -> str:
        """Return the limits as the end of a sentence: "takes 1 to 50 steps"."""
        if self.most is None:
            return f"takes {self.least} steps at least"
        return f"takes {self.least} to {self.most} steps"


KNOWN: Mapping[str, Scheduler] = {
    "ddim": Scheduler(class_name="DDIMScheduler"),
    "euler": Scheduler(class_name="EulerDiscreteScheduler"),
    "euler_ancestral": Scheduler(class_name="EulerAncestralDiscreteScheduler", stochastic=True),
    "dpmpp_2m": Scheduler(class_name="DPMSolverMultistepScheduler"),
    "unipc": Scheduler(class_name="UniPCMultistepScheduler"),
    "pndm": Scheduler(
        class_name="PNDMScheduler",
        not_resumable="pndm repeats its first timestep to begin its history, so it cannot begin "
        "half way",
    ),
    "lcm": Scheduler(
        class_name="LCMScheduler",
        stochastic=True,
        not_resumable="lcm takes a few steps, each of which redraws the whole image: none can be "
        "spared",
    ),
    "tcd": Scheduler(
        class_name="TCDScheduler",
        not_resumable="tcd takes a few steps, and none can be spared",
    ),
}
"""By the name that requests use."""

SCHEDULERS: Mapping[str, str] = {name: one.class_name for name, one in KNOWN.items()}
"""The `diffusers` class of each."""

NOT_RESUMABLE: Mapping[str, str] = {
    name: one.not_resumable for name, one in KNOWN.items() if one.not_resumable
}
"""The schedulers whose images never begin with another image's latents, and why."""


FROM_THE_START = frozenset({"pndm"})
"""The schedulers that no picture can be drawn over with: their first steps, which it is spared, are
those of the whole schedule."""


def steps_over(steps: int, strength: float) -> int:
    """Return how many of a schedule's steps are run over a picture, as `diffusers` counts them.

    Args:
        steps: Of the whole schedule.
        strength: The share of it that is run, up to 1.
    """
    return min(int(steps * strength), steps)


def is_stochastic(name: str, config: Mapping[str, Any]) -> bool:
    """Check whether each step draws noise.

    Args:
        name: The scheduler's.
        config: The model's `scheduler_config.json`.
    """
    if name == "dpmpp_2m":
        return str(config.get("algorithm_type", "")).startswith("sde-")
    return KNOWN[name].stochastic


def step_limits(name: str, config: Mapping[str, Any]) -> StepLimits:
    """Return the steps that a scheduler can take by its configuration alone.

    `lcm` and `tcd` take their steps from the schedule that the model was distilled on, and no
    scheduler has more timesteps than the model was trained on. What else a configuration rules out
    only a trial tells (`modelkit.export.scheduler_trials`).
    """
    most = int(config.get("num_train_timesteps") or TRAIN_STEPS) - 1
    if name in ("lcm", "tcd"):
        most = min(most, int(config.get("original_inference_steps") or 50))
    return StepLimits(most=max(1, most))


def corrected(name: str, config: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Correct what keeps a scheduler from reading another one's configuration.

    Both mendings are those that `DPMSolverMultistepScheduler` names itself: it reads `deis` as
    `dpmsolver++`, but refuses it at a check that looks at the old value, and it asks for
    `sigma_min` where an algorithm cannot end at 0.

    Args:
        name: The scheduler that is to read it.
        config: The model's `scheduler_config.json`.

    Returns:
        The configuration for `from_config`, and what was changed; None: nothing.
    """
    mended = dict(config)
    algorithm = config.get("algorithm_type")
    if name != "dpmpp_2m":
        return mended, None
    if algorithm == "deis":
        mended["algorithm_type"] = "dpmsolver++"
        return mended, "algorithm_type deis is taken as dpmsolver++"
    ends_at_zero = config.get("final_sigmas_type", "zero") == "zero"
    if algorithm in {"dpmsolver", "sde-dpmsolver"} and ends_at_zero:
        mended["final_sigmas_type"] = "sigma_min"
        return mended, f"final_sigmas_type is taken as sigma_min, as {algorithm} needs it"
    return mended, None
