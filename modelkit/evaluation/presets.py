"""Measures a bundle's settings, and writes those that are worth having into its manifest."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from bundles.manifest import PRESETS, PRESETS_PICTURE, Manifest, PresetName
from bundles.manifest_file import load_manifest, replace_file, save_manifest
from modelkit.evaluation.calibration import SSIM_LIKE
from modelkit.evaluation.comparison import write_aside
from modelkit.evaluation.frontier import DRAFT, WHOLE, Point, Setting, frontier, preset_of
from modelkit.evaluation.scenes import SceneJudge, open_judge, prompts_of, shown_subjects
from modelkit.evaluation.similarity import Pixels, ssim
from modelkit.evaluation.trial import Drawing, Trial
from modelkit.progress import Progress
from modelkit.prompts import evaluation_prompts

ALIKE = (1 - SSIM_LIKE) / DRAFT
"""What SSIM may lack and images count as the same where nobody judges them: so a draft is as like
the most costly setting as an image from the approximate cache must be."""


@dataclass(frozen=True, kw_only=True)
class MeasuredSettings:
    """Settings and the images that they made."""

    points: list[Point]
    images: list[list[Pixels]] = field(repr=False)
    """Of each point, one a prompt."""
    unmeasured: int
    """Settings for which the time was too short."""

    @property
    def best_images(self) -> list[Pixels]:
        """Return those of the most costly setting."""
        return self.images[_costliest([point.setting for point in self.points])]


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What is drawn with each setting, and how its images are judged."""

    prompts: Sequence[str]
    first_seed: int
    scenes: SceneJudge | None
    """None: images are compared with those of the setting that costs most."""

    @classmethod
    def of(cls, folder: Path, manifest: Manifest, *, images: int, seed: int) -> "Examination":
        """Prepare the judge that a bundle carries, or the prompts that it is evaluated on."""
        classifier = open_judge(folder)
        if classifier is None:
            prompts = evaluation_prompts(manifest, images)
            return cls(prompts=prompts, first_seed=seed, scenes=None)
        subjects = shown_subjects(images)
        judge = SceneJudge(classifier, subjects)
        return cls(prompts=prompts_of(subjects), first_seed=seed, scenes=judge)

    def drawings(self, setting: Setting) -> list[Drawing]:
        """Return what is drawn with a setting: each prompt with the same seed as with any other."""
        return [
            Drawing(prompt=prompt, seed=self.first_seed + number, changes=setting.parameters)
            for number, prompt in enumerate(self.prompts)
        ]


def measure_settings(
    trial: Trial,
    examination: Examination,
    settings: Sequence[Setting],
    *,
    minutes: float,
    say: Progress,
    beside: MeasuredSettings | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> MeasuredSettings:
    """Draw with each setting in turn, until the time is over, and judge.

    A setting is begun only if it is expected to end in time, by what rows have cost so far; the
    first is measured whatever it takes.

    Args:
        trial: The bundle in an engine.
        examination: What is drawn, and who judges.
        settings: In the order of their importance.
        minutes: For drawing.
        say: Hears of each image.
        beside: Of the bundle that this one stands beside: without a judge images are compared with
            its most costly setting's. None: with this bundle's own.
        clock: Seconds.
    """
    begun, rows = clock(), 0
    images: list[list[Pixels]] = []
    seconds: list[float] = []
    done: list[Setting] = []
    for setting in settings:
        spent = clock() - begun
        if rows and spent * (1 + setting.rows / rows) > 60 * minutes:
            continue
        say.stage(describe_setting(setting), len(examination.prompts))
        start = clock()
        drawn = []
        for result in trial.draw(examination.drawings(setting)):
            drawn.append(result.image)
            say.advance()
        images.append(drawn)
        seconds.append((clock() - start) / len(drawn))
        done.append(setting)
        rows += setting.rows
    wanted = images[_costliest(done)] if beside is None else beside.best_images
    judged = _judge(examination, done, images, seconds, wanted)
    return MeasuredSettings(points=judged, images=images, unmeasured=len(settings) - len(done))


def describe_setting(setting: Setting) -> str:
    """Return a setting in words."""
    guided = f"guidance {setting.guidance_scale:g}" if setting.guidance_scale > 1 else "unguided"
    interval = setting.guidance_start, setting.guidance_end
    if interval != WHOLE:
        guided += " from {:g} to {:g}".format(*interval)
    return f"{setting.scheduler}, {setting.steps} × {guided}"


def record_presets(folder: Path, chosen: Mapping[PresetName, Point], picture: bytes) -> Manifest:
    """Write presets into a bundle's manifest, `standard` as its defaults; its revision stays.

    Args:
        folder: The bundle's.
        chosen: A point of the frontier for each preset.
        picture: What the settings of the frontier draw, as WebP; it is kept in the bundle.

    Raises:
        BundleError: There is no bundle any more.
    """
    manifest = load_manifest(folder)
    presets = {name: preset_of(chosen[name]) for name in PRESETS}
    defaults = manifest.defaults.model_copy(update=presets["standard"].parameters)
    changed = manifest.model_copy(update={"presets": presets, "defaults": defaults})
    replace_file(folder / PRESETS_PICTURE, picture)
    save_manifest(changed, folder)
    return changed


def write_presets(
    file: Path,
    manifest: Manifest,
    measured: MeasuredSettings,
    chosen: Mapping[PresetName, Point],
    others: Sequence[Point] = (),
) -> None:
    """Write everything that was found as JSON, aside and renamed."""
    kept = frontier(measured.points)
    content = {
        "bundle": {"name": manifest.name, "revision": manifest.revision},
        "presets": {name: asdict(point.setting) for name, point in chosen.items()},
        "unmeasured": measured.unmeasured,
        "points": [asdict(one) | {"on_frontier": one in kept} for one in measured.points],
        "beside": [asdict(one) for one in others],
    }
    write_aside(file, content)


def _judge(
    examination: Examination,
    settings: Sequence[Setting],
    images: Sequence[Sequence[Pixels]],
    seconds: Sequence[float],
    wanted: Sequence[Pixels],
) -> list[Point]:
    if examination.scenes is not None:
        return [
            _judged(examination.scenes, setting, np.stack(list(drawn)), spent)
            for setting, drawn, spent in zip(settings, images, seconds, strict=True)
        ]
    return [
        _compared(setting, drawn, wanted, spent)
        for setting, drawn, spent in zip(settings, images, seconds, strict=True)
    ]


def _costliest(settings: Sequence[Setting]) -> int:
    return max(range(len(settings)), key=lambda number: settings[number].rows)


def _judged(judge: SceneJudge, setting: Setting, images: Pixels, seconds: float) -> Point:
    found = judge.judge(images)
    return Point(
        setting=setting,
        seconds=seconds,
        distance=found.scores["mmd"],
        distance_error=found.errors["mmd"],
        floor=found.scores["mmd_floor"],
        accuracy=found.scores["attribute_accuracy"],
        accuracy_error=found.errors["attribute_accuracy"],
        scores=found.scores,
    )


def _compared(
    setting: Setting, images: Sequence[Pixels], reference: Sequence[Pixels], seconds: float
) -> Point:
    alike = [ssim(one, other) for one, other in zip(images, reference, strict=True)]
    mean = float(np.mean(alike))
    error = float(np.std(alike) / max(1, len(alike) - 1) ** 0.5)
    return Point(
        setting=setting,
        seconds=seconds,
        distance=1 - mean,
        distance_error=error,
        floor=ALIKE,
        scores={"ssim": mean},
    )
