"""The `diffusers` schedulers of a model, made from its configuration."""

import copy
import inspect
import json
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import diffusers
import torch

from bundles.layout import USED_DEFAULTS
from core.domain.schedulers import KNOWN, corrected

PIPELINES_ETA = 0.0
"""What pipelines give to schedulers that can draw noise by it: none. `TCDScheduler.step` would take
0.3 without it."""


def make_scheduler(name: str, config: Mapping[str, Any]) -> Any:
    """Make a scheduler of a model's `scheduler_config.json`, as `from_config` does.

    It is the one that a diffusers pipeline of the source has, or gets with
    `scheduler_class.from_config(pipeline.scheduler.config)`: another class than the source's takes
    over what the source's files name, and has its own defaults for the rest.

    Args:
        name: In `core.domain.schedulers.KNOWN`.
        config: Of whichever scheduler the model came with.

    Raises:
        ValueError, NotImplementedError: The scheduler cannot read it.
    """
    return copy.deepcopy(_template(name, json.dumps(dict(config), sort_keys=True)))


def step_arguments(scheduler: Any, generator: torch.Generator) -> dict[str, Any]:
    """Return what `step` is given besides the prediction, as the pipelines of `diffusers` do it.

    A scheduler that draws noise takes it from this generator, whatever its configuration makes of
    it: without one it would draw from the process's, which all images share.
    """
    accepted = inspect.signature(scheduler.step).parameters
    given = {"generator": generator, "eta": PIPELINES_ETA}
    return {name: value for name, value in given.items() if name in accepted}


@lru_cache(maxsize=64)
def _template(name: str, config: str) -> Any:
    """Make a scheduler to copy: reading a configuration costs more than a small model's step."""
    known = json.loads(config)
    content, _ = corrected(name, known)
    # `from_config` leaves these out itself, for its own class too: but there they are what the
    # pipeline's constructor has set; and it would leave out what was mended.
    used = set(content.pop(USED_DEFAULTS, ()))
    if known.get("_class_name") != KNOWN[name].class_name:
        content = {
            key: value
            for key, value in content.items()
            if key not in used or value != known.get(key)
        }
    with warnings.catch_warnings():
        # Deprecated values concern whoever wrote the configuration.
        warnings.simplefilter("ignore")
        return getattr(diffusers, KNOWN[name].class_name).from_config(content)
