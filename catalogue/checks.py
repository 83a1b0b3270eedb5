"""Whether a value can be used: each check gives the reason why not, or None."""

import math
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from catalogue.names import suggestion
from core.domain.schedulers import KNOWN, SCHEDULERS, StepLimits, step_limits
from core.domain.seeds import SeedRule


@dataclass(frozen=True, kw_only=True)
class RequestLimits:
    """Everything that the checks compare with."""

    smallest: int
    """Pixels, of width and height."""
    largest: int
    """Pixels, of width and height."""
    multiple_of: int
    """Widths and heights are multiples of it."""
    max_steps: int
    max_variants: int
    max_images: int
    """Rows × variants of one sheet."""
    defaults: Mapping[str, Any]
    """The model's own values: width, height, steps, guidance_scale, scheduler, negative_prompt."""
    schedulers: Mapping[str, StepLimits] = field(
        default_factory=lambda: {name: step_limits(name, {}) for name in KNOWN}
    )
    """The schedulers that the model works with, and the steps that each can take."""
    unsuited: Mapping[str, str] = field(default_factory=dict)
    """The other schedulers, and why the model does not work with each."""
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What each preset of the model stands for: steps, guidance_scale, scheduler."""
    tested_pixels: int | None = None
    """Of the largest image that the model was tested with; None: nobody says."""
    most_pixels: int | None = None
    """Of the largest image that workers have memory for; None: nobody says."""
    model: str = "this model"
    """What messages call it: its name is in it where there are several."""

    @property
    def step_of_size(self) -> int:
        """The step between two sizes: latents have an eighth of the image's size."""
        return self.multiple_of if self.multiple_of % 8 == 0 else 8 * self.multiple_of


LONGEST_PROMPT = 4000
"""Characters; CLIP reads some 300 of them."""
LONGEST_CELL = 131_072
"""Characters; a quote that is never closed ends here at the latest."""
DEEPEST_VALUE = 50
"""Levels of lists and objects inside each other."""
LONGEST_SKU = 200
LARGEST_GUIDANCE = 30.0
LARGEST_SEED = 2**63 - 1

Reason = str | None
_HALF = re.compile("[\ud800-\udfff]")


def check_text(text: str) -> Reason:
    """Check that Postgres can store a text."""
    if "\x00" in text:
        return "It contains a NUL character, which is not text. Remove it."
    if _HALF.search(text):
        return "It contains half of a UTF-16 pair, which is not text. Write the character as UTF-8."
    return None


def check_value(value: Any) -> Reason:
    """Check that Postgres can store any JSON value."""
    if isinstance(value, str):
        return None if value.isascii() and "\x00" not in value else check_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "The number is too large."
    if isinstance(value, Mapping):
        return next(filter(None, map(check_value, [*value, *value.values()])), None)
    if isinstance(value, list):
        return next(filter(None, map(check_value, value)), None)
    return None


def check_extent(value: Any) -> Reason:
    """Check that a cell is neither endless nor nested without end."""
    if isinstance(value, str):
        return _too_long(len(value))
    length, open_values = 0, [(value, 0)]
    while open_values:
        one, depth = open_values.pop()
        if depth > DEEPEST_VALUE:
            return f"The value is nested more than {DEEPEST_VALUE} levels deep."
        if isinstance(one, Mapping):
            open_values += [(part, depth + 1) for pair in one.items() for part in pair]
        elif isinstance(one, list):
            open_values += [(part, depth + 1) for part in one]
        length += len(one) if isinstance(one, str) else 1
    return _too_long(length)


def _too_long(length: int) -> Reason:
    if length <= LONGEST_CELL:
        return None
    return f"The cell has {length:,} characters; the limit is {LONGEST_CELL:,}. Shorten it."


def check_sku(sku: str) -> Reason:
    """Check a SKU: something, on one line, not too long."""
    if not sku:
        return "The SKU is empty: fill it in, the product's images are named after it."
    if len(sku) > LONGEST_SKU:
        return f"The SKU has {len(sku):,} characters; the limit is {LONGEST_SKU}. Shorten it."
    return check_line(sku)


def check_line(text: str) -> Reason:
    """Check that a text is one line without control characters."""
    if text.isascii() and text.isprintable():
        return None
    bad = next((letter for letter in text if unicodedata.category(letter) in ("Cc", "Cs")), None)
    return None if bad is None else f"It contains the control character {bad!r}. Remove it."


def check_prompt(prompt: str) -> Reason:
    """Check a rendered prompt."""
    if not prompt.strip():
        return "The prompt is empty: describe what the image shows."
    return check_negative_prompt(prompt)


def check_negative_prompt(prompt: str) -> Reason:
    """Check a prompt that may be empty."""
    if len(prompt) > LONGEST_PROMPT:
        return f"It has {len(prompt):,} characters; the limit is {LONGEST_PROMPT:,}. Shorten it."
    return None if prompt.isascii() and "\x00" not in prompt else check_text(prompt)


def check_size(pixels: int, limits: RequestLimits) -> Reason:
    """Check a width or height."""
    step = limits.step_of_size
    if limits.smallest <= pixels <= limits.largest and pixels % step == 0:
        return None
    low = -(-limits.smallest // step) * step
    high = limits.largest // step * step
    nearest = min(max(round(pixels / step) * step, low), high)
    return (
        f"{pixels} pixels cannot be made by {limits.model}: it makes {low} to {high} in steps of "
        f"{step}. The nearest is {nearest}."
    )


def check_memory(width: int | None, height: int | None, limits: RequestLimits) -> Reason:
    """Check that workers may have memory for an image's pixels."""
    most = limits.most_pixels
    if most is None or width is None or height is None or width * height <= most:
        return None
    return (
        f"{width} × {height} pixels take more memory than the workers may use with {limits.model} "
        f"(PACKSHOT_WORKER_MAX_RSS_MIB): ask for {most:,} pixels at most, for example "
        f"{math.isqrt(most) // limits.step_of_size * limits.step_of_size} in both directions."
    )


def is_beyond_tested(width: int, height: int, limits: RequestLimits) -> bool:
    """Check whether an image has more pixels than those that the model was tested with."""
    return limits.tested_pixels is not None and width * height > limits.tested_pixels


def beyond_tested(limits: RequestLimits) -> str:
    """Return what to expect of images with more pixels than the model was tested with."""
    most = limits.tested_pixels or 0
    return (
        f"more pixels than {limits.model} was tested with ({most:,}), so that things may be shown "
        "twice: ask for a smaller size"
    )


def check_steps(steps: int, limits: RequestLimits) -> Reason:
    """Check the number of denoising steps."""
    return _between(steps, 1, limits.max_steps)


def check_variants(variants: int, limits: RequestLimits) -> Reason:
    """Check how many images of one row are wanted, or which of them."""
    return _between(variants, 1, limits.max_variants)


def check_seed(seed: int | SeedRule) -> Reason:
    """Check a seed, or where it comes from."""
    return None if isinstance(seed, SeedRule) else _between(seed, 0, LARGEST_SEED)


def check_guidance_scale(scale: float) -> Reason:
    """Check the classifier-free guidance."""
    if math.isfinite(scale) and 0 <= scale <= LARGEST_GUIDANCE:
        return None
    return f"{scale:g} is not between 0 and {LARGEST_GUIDANCE:g}."


def check_share(share: float) -> Reason:
    """Check a share of the schedule."""
    return None if 0 <= share <= 1 else f"{share:g} is not between 0 and 1."


def check_interval(start: float | None, end: float | None) -> Reason:
    """Check that guidance is on at all where it is asked for; shares are checked elsewhere."""
    if start is None or end is None or start < end or check_share(start) or check_share(end):
        return None
    return (
        f"Guidance would never be on, as it ends at {end:g} of the schedule and begins at "
        f"{start:g}. Set guidance_end above guidance_start, or guidance_scale to 1."
    )


def check_scheduler(name: str, limits: RequestLimits) -> Reason:
    """Check that a scheduler is known, and works with the model."""
    if name in limits.schedulers:
        return None
    offered = ", ".join(limits.schedulers)
    if name in limits.unsuited:
        return (
            f"{limits.model.capitalize()} does not work with the scheduler {name!r} "
            f"({limits.unsuited[name]}). Choose {offered}."
        )
    return f"There is no scheduler {name!r}; there are {offered}.{suggestion(name, SCHEDULERS)}"


def check_preset(name: str, limits: RequestLimits) -> Reason:
    """Check that the model has a preset."""
    if name in limits.presets:
        return None
    called = f"{limits.model[:1].upper()}{limits.model[1:]}"
    if not limits.presets:
        return (
            f"{called} has no presets, as nobody has measured them yet (`packshot model presets`). "
            "Name steps, guidance_scale and scheduler instead."
        )
    return f"{called} has no preset {name!r}; it has {', '.join(limits.presets)}."


def check_schedule(steps: int | None, scheduler: Any, limits: RequestLimits) -> Reason:
    """Check that a scheduler can take so many steps; what is wrong by itself is told elsewhere."""
    own = limits.schedulers.get(scheduler)
    if own is None or steps is None or own.allows(steps) or check_steps(steps, limits):
        return None
    others = [name for name, one in limits.schedulers.items() if one.allows(steps)]
    way_out = f", or another scheduler: {', '.join(others)}" if others else ""
    return (
        f"The scheduler {scheduler} {own.describe()} with {limits.model}, and {steps} were asked "
        f"for. Ask for {'fewer' if steps > own.least else 'more'} steps{way_out}."
    )


def _between(number: int, low: int, high: int) -> Reason:
    return None if low <= number <= high else f"{number} is not between {low} and {high}."


CHECKS: Mapping[str, Callable[[Any, RequestLimits], Reason]] = {
    "width": check_size,
    "height": check_size,
    "steps": check_steps,
    "variants": check_variants,
    "variant": check_variants,
    "seed": lambda seed, _: check_seed(seed),
    "guidance_scale": lambda scale, _: check_guidance_scale(scale),
    "guidance_start": lambda share, _: check_share(share),
    "guidance_end": lambda share, _: check_share(share),
    "scheduler": check_scheduler,
    "negative_prompt": lambda prompt, _: check_negative_prompt(prompt),
    "prompt": lambda prompt, _: check_prompt(prompt),
    "sku": lambda sku, _: check_sku(sku),
}
"""The check of each value that people may give."""
