"""What INT8 is calibrated and measured on: pictures of a model's own prompts."""

from pathlib import Path

import openvino as ov

from modelkit.export.source import Profile
from modelkit.progress import Progress
from modelkit.prompts import calibration_prompts
from modelkit.quantise.trajectories import Trajectory, record

PICTURES = 12
"""How many are drawn to calibrate on."""


CALLS_EACH = 8
"""UNet calls of each picture that are kept."""


HELD_ASIDE = 4
"""Further pictures that nothing is calibrated on; on these is measured."""


def draw_calibration(
    model: ov.Model,
    source: Path,
    profile: Profile,
    *,
    workdir: Path,
    say: Progress,
    pictures: int = PICTURES,
    calls_each: int = CALLS_EACH,
) -> tuple[list[Trajectory], list[Trajectory]]:
    """Draw pictures of the source's own prompts in FP32, at its defaults.

    A source that knows how its UNet is quantised has as many drawn as that took, and none to
    measure on. What `workdir` holds already is not drawn again, whatever it was drawn for.

    Args:
        model: The UNet, as in `record`.
        source: The diffusers folder that it was made from.
        profile: What that says about itself.
        workdir: Gets the pictures.
        say: Hears how far it is.
        pictures: How many are drawn to calibrate on.
        calls_each: UNet calls of each picture that are kept.

    Returns:
        What to calibrate on, and what to measure on.

    Raises:
        BundleError: The source cannot draw.
    """
    known = profile.build.quantisation
    if known is not None:
        pictures = -(-known.samples // calls_each)
    drawn = record(
        model,
        source,
        calibration_prompts(profile, pictures + (0 if known else HELD_ASIDE)),
        defaults=profile.defaults,
        calls_each=calls_each,
        workdir=workdir / "trajectories",
        say=say,
    )
    return drawn[:pictures], drawn[pictures:]
