"""Which schedulers can draw with a model: each is tried on its configuration, on a few latents."""

import copy
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch

from bundles.layout import SCHEDULER_FILE
from bundles.manifest import Manifest
from bundles.records import read_json
from bundles.scheduler_support import SchedulerSupport
from bundles.schedulers import make_scheduler, step_arguments
from core.domain.schedulers import KNOWN, StepLimits, corrected, step_limits
from core.errors import BundleError, first_line
from modelkit.export.configuration import read_scheduler
from modelkit.export.source import Profile, names_scheduler, read_profile

TRIED = (1, 2, 3, 4, 8, 20, 30, 50, 150)
"""Numbers of steps that are tried; between one that works and one that does not, the border is
looked for."""

CHANNELS = 4
"""Of latents that are denoised to try a scheduler."""


def try_scheduler(name: str, config: Mapping[str, Any]) -> tuple[StepLimits | None, str]:
    """Denoise a few latents with a scheduler, in different numbers of steps.

    Args:
        name: In `core.domain.schedulers.KNOWN`.
        config: The model's `scheduler_config.json`.

    Returns:
        The steps that it can take, and the empty text; None and the reason when it cannot take
        any.
    """
    return _try(name, json.dumps(dict(config), sort_keys=True))


def try_schedulers(config: Mapping[str, Any]) -> dict[str, SchedulerSupport]:
    """Try every scheduler on a model's configuration, and describe what each can do with it."""
    found = {}
    for name in KNOWN:
        limits, reason = try_scheduler(name, config)
        _, remark = corrected(name, config)
        limits = limits or StepLimits()
        found[name] = SchedulerSupport(
            least_steps=limits.least,
            most_steps=None if reason else limits.most,
            reason=reason,
            remark=remark or "",
        )
    return found


def with_schedulers(manifest: Manifest, bundle: Path) -> Manifest:
    """Try every scheduler on a bundle's own configuration, and record which work.

    Args:
        manifest: What the bundle says of itself.
        bundle: Its folder; it has `scheduler/scheduler_config.json` already.

    Raises:
        BundleError: The default scheduler does not work, or cannot take the default steps.
    """
    config = read_json(bundle / "scheduler" / SCHEDULER_FILE)
    schedulers = try_schedulers(config)
    check_default(manifest.defaults.scheduler, manifest.defaults.steps, schedulers)
    return manifest.model_copy(update={"schedulers": schedulers})


def read_working_profile(source: Path, given: Mapping[str, Any]) -> Profile:
    """Read what a source draws by default, with a scheduler that works with it.

    Args:
        source: A folder in diffusers' layout, or in the Hub's OpenVINO layout.
        given: Steps, guidance scale and scheduler, where the source's are not wanted.

    Raises:
        BundleError: The scheduler that is given, or that its packshot.json names, cannot draw; or
            none can.
    """
    profile = read_profile(source)
    defaults = profile.defaults.model_copy(update=dict(given))
    schedulers = try_schedulers(read_scheduler(source))
    if "scheduler" not in given and not names_scheduler(source):
        usable = [
            name
            for name in (defaults.scheduler, "dpmpp_2m", *KNOWN)
            if schedulers[name].works and schedulers[name].limits.allows(defaults.steps)
        ]
        defaults = defaults.model_copy(update={"scheduler": (usable or [defaults.scheduler])[0]})
    check_default(defaults.scheduler, defaults.steps, schedulers)
    return profile.model_copy(update={"defaults": defaults})


def check_default(scheduler: str, steps: int, schedulers: Mapping[str, SchedulerSupport]) -> None:
    """Check that a model can draw as its defaults say.

    Raises:
        BundleError: It cannot.
    """
    usable = [name for name, one in schedulers.items() if one.works and one.limits.allows(steps)]
    if scheduler in usable:
        return
    found = schedulers.get(scheduler)
    if found is None:
        reason = "there is no such scheduler"
    elif found.works:
        reason = f"it {found.limits.describe()}"
    else:
        reason = found.reason
    way_out = (
        f"name another one with --scheduler or in its packshot.json: {', '.join(usable)}"
        if usable
        else "give other steps, or correct its scheduler_config.json: no scheduler can"
    )
    raise BundleError(
        f"The model cannot draw by default in {steps} steps of {scheduler} ({reason}); {way_out}."
    )


@lru_cache(maxsize=64)
def _try(name: str, config: str) -> tuple[StepLimits | None, str]:
    limits = step_limits(name, json.loads(config))
    most = limits.most or TRIED[-1]
    try:
        template = make_scheduler(name, json.loads(config))
    except Exception as error:
        return None, _reason(error)
    fails = partial(_failure, template)
    tried = sorted({*(steps for steps in TRIED if steps < most), min(most, TRIED[-1])})
    failures = [fails(steps) for steps in tried]
    run = _longest_run([not failure for failure in failures])
    if not run:
        return None, failures[len(failures) // 2]
    least, last = tried[run[0]], tried[run[-1]]
    if run[0] > 0:
        least = _border(tried[run[0] - 1], least, fails)
    if run[-1] + 1 < len(tried):
        return StepLimits(least=least, most=_border(tried[run[-1] + 1], last, fails)), ""
    return StepLimits(least=least, most=limits.most), ""


def _failure(template: Any, steps: int) -> str:
    """Denoise in so many steps; return what is wrong with it, or the empty text."""
    scheduler = copy.deepcopy(template)
    generator = torch.Generator().manual_seed(0)
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            scheduler.set_timesteps(steps)
            extra = step_arguments(scheduler, generator)
            noise = torch.randn((1, CHANNELS, 2, 2), generator=generator)
            latents = noise * scheduler.init_noise_sigma
            for timestep in scheduler.timesteps:
                # Nearly what a model of pictures around 0 predicts: large where there is noise.
                prediction = scheduler.scale_model_input(latents, timestep) * 0.5
                latents = scheduler.step(prediction, timestep, latents, return_dict=False, **extra)[
                    0
                ]
    except Exception as error:
        return _reason(error)
    return "" if bool(torch.isfinite(latents).all()) else "its latents are not finite"


def _border(bad: int, good: int, fails: Callable[[int], str]) -> int:
    """Return the number of steps nearest to a bad one that works, by halving the distance."""
    while abs(bad - good) > 1:
        middle = (bad + good) // 2
        bad, good = (middle, good) if fails(middle) else (bad, middle)
    return good


def _longest_run(works: Sequence[bool]) -> range:
    """Return the longest stretch of what works, as places; the last one of equal ones."""
    best = range(0)
    start = 0
    for place, one in enumerate([*works, False]):
        if one:
            continue
        if place > start and place - start >= len(best):
            best = range(start, place)
        start = place + 1
    return best


def _reason(error: Exception) -> str:
    name, line = type(error).__name__, first_line(error)
    return name if line == name else f"{name}: {line[:200]}"
