"""What the model of scenes says about itself."""

from bundles.manifest import Defaults, Sizes
from modelkit.export.source import Profile
from starter.chance import seeded
from starter.scenes.captions import caption
from starter.scenes.subjects import split_subjects

PROMPTS = 256


def scenes_profile() -> Profile:
    """Return what requests get by default, and captions of subjects that it was trained on.

    Bundles are calibrated on these; the held-out ones stay unseen for its judge.
    """
    shown, _ = split_subjects()
    rng = seeded("scenes/calibration")
    return Profile(
        name="scenes",
        licence="Apache-2.0",
        defaults=Defaults(
            steps=20, guidance_scale=3.0, scheduler="dpmpp_2m", width=128, height=128
        ),
        sizes=Sizes(min=64, max=256, multiple_of=32, tested=((128, 128),)),
        prompts=tuple(caption(subject, rng) for subject in shown[:PROMPTS]),
        streams=2,
    )
