"""How long images will take, by measured plans or by what was made lately."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlmodel import Session

from api.models import Bundle, Models
from api.schemas.sheets import (
    Estimate,
)
from api.submission.photographs import MADE_BY
from bundles.plan import newest_plan
from core.domain.image_request import ImageRequest
from core.domain.photograph_spec import CUTOUT_NAME, ImageMode
from core.lifecycle.forecast import FEWEST, recent_speed, work, work_over

PIXELS_PER_SECOND = 1500.0 * 1500.0
"""Of cut-outs, where nothing was measured yet."""


def estimate(
    session: Session, models: Models, wanted: Sequence[ImageRequest], home: Path
) -> Estimate:
    """Estimate how long images take: by their model's measured plan, else by its recent images.

    Args:
        session: An open transaction; it is only read in.
        models: Those that make them.
        wanted: Those that would be computed.
        home: Where plans of machines are kept.
    """
    by_model: dict[str, list[ImageRequest]] = defaultdict(list)
    for one in wanted:
        by_model[one.model.name].append(one)
    speeds = {
        name: _speed_of_cutouts(session)
        if name == CUTOUT_NAME and _of_photographs(by_model[name])
        else _speed(session, models[name], home)
        for name in list(by_model) or [next(iter(models))]
    }
    basis = " ".join(
        f"{name}: {speed.basis}" if len(speeds) > 1 else speed.basis
        for name, speed in speeds.items()
    )
    seconds = 0.0
    for name, speed in speeds.items():
        if speed.work_per_second is None:
            return Estimate(seconds=None, images_per_minute=None, basis=basis)
        seconds += _work(by_model[name]) / speed.work_per_second
    if scenes := _scenes(wanted):
        seconds += _composing_seconds(session, scenes)
        basis += " Scenes with equal prompts and seeds share a background, which is counted once."
    return Estimate(
        seconds=round(seconds, 1),
        images_per_minute=round(60 * len(wanted) / seconds, 1) if seconds else None,
        basis=basis,
    )


@dataclass(frozen=True, kw_only=True)
class _Speed:
    """How quickly a model makes images, and how that is known."""

    work_per_second: float | None
    basis: str


def _speed(session: Session, bundle: Bundle, home: Path) -> _Speed:
    manifest, model = bundle.manifest, bundle.made_by
    plan = newest_plan(home.expanduser(), manifest.revision)
    if plan is not None and plan.images_per_minute > 0:
        spec = manifest.defaults.spec(prompt="", seed=0, width=plan.width, height=plan.height)
        return _Speed(
            work_per_second=work(spec, model.reads) * plan.images_per_minute / 60,
            basis=f"One worker with the plan that `packshot tune` measured on {plan.machine.cpu}: "
            f"{plan.images_per_minute:.1f} images a minute at {plan.width}x{plan.height} pixels "
            f"and {manifest.defaults.steps} steps.",
        )
    if recent := recent_speed(session, model):
        return _Speed(
            work_per_second=recent.work_per_second,
            basis=f"As all workers together made the last {recent.images} images of this model.",
        )
    return _Speed(
        work_per_second=None,
        basis="This machine's speed with this model is not known yet: run `packshot tune`, or "
        f"ask again when {FEWEST} images were made.",
    )


def _work(images: Sequence[ImageRequest]) -> float:
    """Measure what a model computes for images; what is drawn around a product is its own."""
    drawn = sum(work(one.spec, one.model.reads) for one in _drawn_once(images))
    return drawn + sum(work_over(one.spec, one.model.reads) for one in _scenes(images))


def _scenes(images: Sequence[ImageRequest]) -> list[ImageRequest]:
    return [one for one in images if one.spec.mode is ImageMode.SCENE]


def _of_photographs(images: Sequence[ImageRequest]) -> bool:
    """Check whether images are cut-outs, and not those of a model that is called like them."""
    return bool(images) and images[0].spec.mode is ImageMode.CUTOUT


def _drawn_once(images: Sequence[ImageRequest]) -> Sequence[ImageRequest]:
    """Return the images that a model draws: of scenes with equal backgrounds, the first alone."""
    backgrounds = {one.decided("").drawn: one for one in reversed(_scenes(images))}
    others = [one for one in images if one.spec.mode is not ImageMode.SCENE]
    return [*others, *backgrounds.values()]


def _composing_seconds(session: Session, scenes: Sequence[ImageRequest]) -> float:
    """Estimate how long products are cut out and put into their scenes, as cut-outs take."""
    known = recent_speed(session, MADE_BY)
    pixels = sum(one.spec.width * one.spec.height for one in scenes)
    return pixels / (known.work_per_second if known else PIXELS_PER_SECOND)


def _speed_of_cutouts(session: Session) -> _Speed:
    if recent := recent_speed(session, MADE_BY):
        return _Speed(
            work_per_second=recent.work_per_second,
            basis=f"As all workers together made the last {recent.images} cut-outs; fetching "
            "photographs may take longer.",
        )
    return _Speed(
        work_per_second=None,
        basis="How quickly this machine cuts products out is not known yet: ask again when "
        f"{FEWEST} were made. A cut-out of 1500 x 1500 pixels takes a core about a second.",
    )
