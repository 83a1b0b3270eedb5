"""Which settings are worth having: quality against cost, what is dominated left out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from typing import Any

from bundles.manifest import Defaults, Preset, PresetName
from core.domain.image_spec import guided_steps
from core.domain.schedulers import StepLimits

STEPS = (1, 2, 3, 4, 6, 8, 12, 20, 30)
LOSS = 0.15
"""Share of images whose attributes a draft may lose against the best."""
DRAFT, STANDARD = 3.0, 1.5
"""How many times as far from what is wanted as the best a preset may be."""
ERRORS = 2.0
"""Standard errors of a difference that are none."""


Interval = tuple[float, float]
"""Shares of the schedule between which guidance is on."""
WHOLE: Interval = (0.0, 1.0)
INTERVALS: tuple[Interval, ...] = (WHOLE, (0.0, 0.5), (0.2, 0.8))
"""Early steps decide what is shown, late ones its texture; guidance may help in neither
(Kynkäänniemi et al. 2024, arXiv 2404.07724)."""


@dataclass(frozen=True, kw_only=True, order=True)
class Setting:
    """A way to draw; the cheaper comes first."""

    rows: int
    """UNet rows of an image: its steps, twice where it is guided and the UNet embeds no scale."""
    steps: int
    guidance_scale: float
    scheduler: str
    guidance_start: float = 0.0
    guidance_end: float = 1.0

    @classmethod
    def of(
        cls,
        scheduler: str,
        steps: int,
        guidance_scale: float,
        interval: Interval = WHOLE,
        *,
        embedded: bool = False,
    ) -> "Setting":
        """Return a setting; what draws the same is the same one.

        Scales up to 1 are none, unless the UNet embeds them, and so is guidance in no step.
        """
        wanted = guidance_scale > 1 and not embedded
        guided = guided_steps(steps, interval) if wanted else 0
        start, end = interval if 0 < guided < steps else WHOLE
        return cls(
            rows=steps + guided,
            steps=steps,
            guidance_scale=guidance_scale if embedded or guided else 1.0,
            scheduler=scheduler,
            guidance_start=start,
            guidance_end=end,
        )

    @property
    def parameters(self) -> dict[str, Any]:
        """Return what a request says that wants it."""
        return {name: one for name, one in asdict(self).items() if name != "rows"}


@dataclass(frozen=True, kw_only=True)
class Point:
    """What a setting costs, and how good its images are."""

    setting: Setting
    bundle: str = ""
    """Name of the bundle that drew, where others stand beside it."""
    seconds: float
    """An image, on the machine that measured."""
    distance: float
    """From what is wanted, less is better: `mmd` to true pictures, or what SSIM lacks to the most
    costly setting's images."""
    distance_error: float
    """Its standard error."""
    floor: float = 0.0
    """Distance that is none."""
    accuracy: float | None = None
    """Share of images with all attributes right; None: nobody can say."""
    accuracy_error: float = 0.0
    scores: Mapping[str, float]
    """All that was found, by name."""


def settings_of(
    defaults: Defaults,
    limits: Mapping[str, StepLimits],
    *,
    schedulers: Sequence[str],
    steps: Sequence[int],
    scales: Sequence[float],
    intervals: Sequence[Interval] = (WHOLE,),
    embedded: bool = False,
) -> list[Setting]:
    """Return what is to be measured: the default first, then from cheap to costly, each once.

    Args:
        defaults: The bundle's.
        limits: The steps that each scheduler can take with the model; others are left out.
        schedulers: Which to try.
        steps: Numbers to try.
        scales: Guidance scales to try.
        intervals: When guidance is on, to try.
        embedded: Whether the UNet takes the scale as an input.
    """
    of = partial(Setting.of, embedded=embedded)
    own = of(
        defaults.scheduler, defaults.steps, defaults.guidance_scale, defaults.guidance_interval
    )
    tried = {
        of(scheduler, number, scale, interval)
        for scheduler, number, scale, interval in product(schedulers, steps, scales, intervals)
        if scheduler in limits and limits[scheduler].allows(number)
    }
    return [own, *sorted(tried - {own})]


Cost = Callable[[Point], float]


def rows_of(point: Point) -> float:
    """Return what a point costs on every machine, among those of one bundle."""
    return point.setting.rows


def seconds_of(point: Point) -> float:
    """Return what a point costs among those of several bundles: their rows cost differently."""
    return point.seconds


def frontier(points: Sequence[Point], cost: Cost = rows_of) -> list[Point]:
    """Return the points that no other dominates, cheapest first.

    A point is dominated by one that costs no more, is no farther away and no less accurate, and
    better in one of these; of equals the one that was faster is kept.
    """
    kept: list[Point] = []
    for point in sorted(points, key=lambda one: (cost(one), one.distance, one.seconds)):
        if not any(_as_good(other, point, cost) for other in kept):
            kept.append(point)
    return [one for one in kept if not any(_dominates(other, one, cost) for other in kept)]


def fastest_like(points: Sequence[Point], wanted: Point) -> Point | None:
    """Return the fastest point that cannot be told from another, or is better; None: none is so."""
    alike = [
        one for one in points if _near(one, wanted, times=1.0) and _accurate(one, wanted, loss=0.0)
    ]
    return min(alike, key=seconds_of, default=None)


def choose_presets(points: Sequence[Point]) -> dict[PresetName, Point]:
    """Choose three points of the frontier.

    `best` is the cheapest that cannot be told, by distance, from the nearest of those that cannot
    be told from the most accurate. `standard` is the cheapest that is at most STANDARD times as far
    as `best` and loses no attributes that can be measured; `draft` at most DRAFT times, and loses
    at most LOSS.

    Args:
        points: At least one; each is measured on the same prompts.
    """
    kept = frontier(points)
    truest = max(kept, key=lambda one: one.accuracy or 0.0)
    accurate = [one for one in kept if _accurate(one, truest, loss=0.0)]
    nearest = min(accurate, key=lambda one: one.distance)
    best = next(one for one in accurate if _near(one, nearest, times=1.0))

    def cheapest(times: float, loss: float) -> Point:
        return next(
            one for one in kept if _near(one, best, times=times) and _accurate(one, best, loss=loss)
        )

    return {
        "draft": cheapest(DRAFT, LOSS), "standard": cheapest(STANDARD, 0.0), "best": best,
    }  # fmt: skip


def preset_of(point: Point) -> Preset:
    """Return a point as manifests hold it."""
    return Preset(**point.setting.parameters, scores=dict(point.scores))


def _near(one: Point, other: Point, *, times: float) -> bool:
    """Check whether a point is at most so many times as far as another, or about as far."""
    error = ERRORS * (one.distance_error**2 + other.distance_error**2) ** 0.5
    return one.distance <= max(times * max(other.distance, other.floor), other.distance + error)


def _accurate(one: Point, other: Point, *, loss: float) -> bool:
    """Check whether a point loses at most so many attributes, or none that can be measured."""
    if one.accuracy is None or other.accuracy is None:
        return True
    error = ERRORS * (one.accuracy_error**2 + other.accuracy_error**2) ** 0.5
    return one.accuracy >= other.accuracy - max(loss, error)


def _as_good(one: Point, other: Point, cost: Cost) -> bool:
    return (
        cost(one) <= cost(other)
        and one.distance <= other.distance
        and (one.accuracy or 0.0) >= (other.accuracy or 0.0)
    )


def _dominates(one: Point, other: Point, cost: Cost) -> bool:
    return _as_good(one, other, cost) and not _as_good(other, one, cost)
