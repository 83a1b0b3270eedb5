"""How a request wants products of photographs shown: read and checked, each mistake named."""

import re
from collections.abc import Mapping, Set
from math import ceil
from typing import Any

from catalogue.issues import Issues
from catalogue.placement_rule import SCENE_FILL, SCENE_GROUND_LINE, PlacementRule
from core.domain.image_request import ModelRevision
from core.domain.image_spec import ImageSpec
from core.domain.photograph_spec import (
    TRANSPARENT,
    WHITE,
    Anchor,
    ImageMode,
    PhotographSpec,
    Shadow,
)
from core.domain.schedulers import FROM_THE_START, steps_over
from core.errors import InvalidRequestError

SIDE = 1500
"""Width and height where nobody says otherwise: what Google's Merchant Center recommends."""
SMALLEST, LARGEST = 16, 5000
"""Pixels of width and height."""

PLACED = ("background", "shadow", "anchor", "fill", "margin", "ground_line", "enlarge", "blend")
"""Fields that say how a product is shown."""
FINISH = (*PLACED, "strength")
"""Fields that say what becomes of a photograph."""
OF_PHOTOGRAPHS = (*FINISH, "source", "mask", "photographs")
"""Fields that only images of photographs have."""
OF_MODELS = (
    *("prompt", "negative_prompt", "template", "model", "steps", "scheduler"),
    *("guidance_scale", "guidance_start", "guidance_end"),
    *("preset", "seed", "variants", "variant", "approximate"),
)
"""Fields that only generated images have."""
NOT_OF: Mapping[ImageMode, Mapping[str, str]] = {
    ImageMode.CUTOUT: {
        **dict.fromkeys(OF_MODELS, "no model draws them"),
        **dict.fromkeys(("strength", "blend"), "no model draws them"),
    },
    ImageMode.SCENE: {
        "background": "the model draws what is behind the product, by the prompt",
        "approximate": "a background is drawn once, for all that share it",
    },
    ImageMode.EDIT: {
        **dict.fromkeys(PLACED, "nothing is cut out and placed"),
        "approximate": "they begin with their photographs",
    },
}
"""Fields that images of photographs do not have, by their mode, and why."""
STRENGTH = 0.6
"""Of edits, where nobody says otherwise."""
BLEND_STRENGTH = 0.8
"""Of blends: what is drawn around the product begins with the background that rows share."""
DEFAULTS: Mapping[ImageMode, Mapping[str, Any]] = {
    ImageMode.CUTOUT: {},
    ImageMode.SCENE: {
        "shadow": Shadow.CONTACT,
        "anchor": Anchor.GROUND,
        "fill": SCENE_FILL,
        "ground_line": SCENE_GROUND_LINE,
    },
    ImageMode.EDIT: {"strength": STRENGTH},
}
"""What becomes of photographs if nobody says, where that is not as `PhotographSpec` has it."""

_COLOUR = re.compile(r"#?([0-9a-f]{6}|[0-9a-f]{3})")


def check_mode(mode: ImageMode, given: Set[str], issues: Issues) -> None:
    """Note the fields that an image of a mode does not have.

    Args:
        mode: The request's.
        given: Names of the fields that say something.
        issues: What is wrong.
    """
    if mode is ImageMode.TEXT:
        for name in OF_PHOTOGRAPHS:
            if name in given:
                issues.add(
                    "Only images of photographs have this. Name the mode "
                    f"{ImageMode.CUTOUT!r}, {ImageMode.SCENE!r} or {ImageMode.EDIT!r}, or leave "
                    "it out.",
                    column=name,
                )
        return
    for name, reason in NOT_OF[mode].items():
        if name in given:
            issues.add(
                f"Images of the mode {mode!r} do not have this: {reason}. Leave it out.",
                column=name,
            )


def check_drawn_over(
    spec: ImageSpec, model: ModelRevision, issues: Issues, *, line: int | None = None
) -> None:
    """Note why a model cannot draw an edit over its photograph, or a blend over its background.

    Args:
        spec: The image's.
        model: What would draw it.
        issues: What is wrong.
        line: Of a sheet.
    """
    strength = spec.photograph.strength if spec.photograph else 0.0
    if not strength:
        return
    if not model.reads.encodes_pictures:
        issues.add(
            f"The model {model.name!r} cannot begin with a picture: its bundle has no encoder of "
            "images. Name another model, or build the bundle of the original model.",
            line=line,
            column="model",
        )
    if not steps_over(spec.steps, strength):
        issues.add(
            f"A strength of {strength:g} leaves none of {spec.steps} steps: ask for "
            f"{ceil(1 / strength)} steps at least, or for a greater strength.",
            line=line,
            column="strength",
        )
    if spec.scheduler in FROM_THE_START:
        issues.add(
            f"{spec.scheduler} cannot begin with a picture: its first steps are those of the "
            "whole schedule. Name another scheduler.",
            line=line,
            column="scheduler",
        )


def read_finish(
    fields: Mapping[str, Any], issues: Issues, mode: ImageMode = ImageMode.CUTOUT
) -> tuple[PhotographSpec, int, int]:
    """Read what is wanted of photographs, over the defaults.

    Args:
        fields: The request's `width`, `height` and `FINISH`; what is None is not given.
        issues: What is wrong.
        mode: Whose defaults they are.

    Returns:
        It, of a photograph that is not named yet, and the canvas's width and height.
    """
    given = {name: fields[name] for name in FINISH if fields.get(name) is not None}
    width, height = (_side(fields.get(name), name, issues) for name in ("width", "height"))
    if "background" in given:
        given["background"] = _background(given["background"], issues)
    if mode is ImageMode.SCENE:
        _check_blend(given, issues)
    wanted = PhotographSpec(source="", **{**DEFAULTS[mode], **given})
    try:
        PlacementRule(
            width=width,
            height=height,
            fill=wanted.fill,
            margin=wanted.margin,
            ground_line=wanted.ground_line,
        )
    except InvalidRequestError as error:
        issues.add(error.detail, column="fill")
    return wanted, width, height


def _check_blend(given: dict[str, Any], issues: Issues) -> None:
    """Note what scenes have with `blend` alone, or without it; give a blend its strength."""
    if given.get("blend"):
        given.setdefault("strength", BLEND_STRENGTH)
        if "shadow" in given:
            issues.add(
                "A blend has the shadow that the model draws around the product. Leave it out, or "
                "leave `blend` out.",
                column="shadow",
            )
    elif given.pop("strength", None) is not None:
        issues.add(
            "Scenes have a strength only with `blend`: without it the product is put into a "
            "background that is finished. Leave it out.",
            column="strength",
        )


def _side(value: Any, name: str, issues: Issues) -> int:
    if value is None:
        return SIDE
    if SMALLEST <= value <= LARGEST:
        return int(value)
    issues.add(f"{value} is not between {SMALLEST} and {LARGEST}.", column=name)
    return SIDE


def _background(value: str, issues: Issues) -> str:
    """Read a background in one form: equal ones give equal images."""
    name = value.strip().lower()
    if name in (TRANSPARENT, "none"):
        return TRANSPARENT
    if name == "white":
        return WHITE
    found = _COLOUR.fullmatch(name)
    if found is None:
        issues.add(
            f"{value[:40]!r} is no background. Write white, transparent, or a colour such as "
            "#f4f1ea.",
            column="background",
        )
        return WHITE
    digits = found[1]
    return "#" + (digits if len(digits) == 6 else "".join(2 * one for one in digits))
