"""Products in scenes: whether they are the same to the pixel, and no larger.

`python -m benchmarks.scenes --objects FOLDER [--limit 500] [--side 1000] [--save FOLDER]`: composes
rendered objects over plain backdrops, as `benchmarks.cutouts` does, cuts them out, and puts them
into drawn surroundings. Of every picture: whether the product's inside is identical, its expansion
E where the background is known, and E as it is measured where it is not; then the same with a copy
of the product behind it that is larger by `GROWN`, which has to be found; and losses of JPEG.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.cutouts import PLAIN, chosen
from benchmarks.cutouts import compose as photograph
from benchmarks.report import percentile, show
from catalogue.cutouts.cutting import cut_out
from catalogue.cutouts.model import Cutout
from catalogue.cutouts.resampling import resample
from catalogue.scenes.composing import Composition, compose, scene_rule
from catalogue.scenes.expansion import expansion
from catalogue.scenes.fidelity import MOST_EXPANSION, compare_lossy
from core.pictures.photograph import read_photograph
from starter.scenes.subjects import Surroundings
from starter.scenes.surroundings import draw_surroundings

Pixels = npt.NDArray[np.uint8]

PHOTOGRAPH, MODEL = 900, 512
"""Sides of photographs and of backgrounds, in pixels."""
GROWN = 1.05
QUALITY = 90


@dataclass(frozen=True, kw_only=True, eq=False)
class StagedProduct:
    """A product that was cut out, and what it is to stand in."""

    number: int
    name: str
    place: str
    product: Cutout
    background: Pixels


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """A picture that was made, and what it was made of."""

    name: str
    composition: Composition
    seconds: float
    """Of this process's computing."""


def main() -> None:
    """Measure scenes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=500)
    parser.add_argument("--side", type=int, default=1000)
    parser.add_argument("--save", type=Path)
    arguments = parser.parse_args()
    judged: list[dict[str, float]] = []
    for scene in scenes(arguments.objects, arguments.limit, arguments.side):
        judged.append(judge(scene))
        if arguments.save:
            save(scene, judged[-1], arguments.save)
    rows = summary(judged)
    about = {"scenes": len(judged), "side": arguments.side, "grown": GROWN, "quality": QUALITY}
    show("scenes", rows, about | {"rows": rows})


def scenes(folder: Path, count: int, side: int) -> Iterator[Scene]:
    """Compose scenes."""
    for one in staged(folder, count, MODEL):
        began = time.process_time()
        made = compose(one.background, one.product, scene_rule(side, side))
        yield Scene(name=one.name, composition=made, seconds=time.process_time() - began)


def staged(folder: Path, count: int, side: int) -> Iterator[StagedProduct]:
    """Cut products out, with surroundings: objects, backdrops and surroundings take turns.

    Args:
        folder: Of the objects.
        count: Most of them; those in whose photograph nothing is found are left out.
        side: Of the surroundings, in pixels.
    """
    files = chosen(folder, "all", count)
    places = list(Surroundings)
    for number in range(count):
        file = files[number % len(files)]
        photo = photograph(file, "own", PLAIN[number % len(PLAIN)], PHOTOGRAPH)
        product = cut_out(read_photograph(photo.body).pixels)
        if not product.pixels[..., 3].any():
            continue
        place = places[(number + number // len(places)) % len(places)]
        drawn = draw_surroundings(place, np.random.default_rng(number), side)
        background = (np.clip(drawn.pixels, 0, 1) * 255 + 0.5).astype(np.uint8)
        yield StagedProduct(
            number=number,
            name=f"{number:03} {file.stem} {place.value}",
            place=place.value,
            product=product,
            background=background,
        )


def judge(scene: Scene) -> dict[str, float]:
    """Measure one scene, and one whose product has grown."""
    made = scene.composition
    buffer = BytesIO()
    Image.fromarray(made.pixels).save(buffer, "JPEG", quality=QUALITY)
    lossy = compare_lossy(made.pixels, np.asarray(Image.open(buffer)), made.mask)
    return {
        "identical": float(made.fidelity.is_identical),
        "known": made.fidelity.expansion,
        "unknown": expansion(made.pixels, made.mask),
        "grown": expansion(with_larger_copy(made), made.mask),
        "psnr": lossy.psnr,
        "shift": lossy.shift,
        "kept": float(lossy.is_kept),
        "seconds": scene.seconds,
    }


def with_larger_copy(made: Composition) -> Pixels:
    """Put a larger copy of a product behind it."""
    spot = made.spot
    size = (round(spot.size[0] * GROWN), round(spot.size[1] * GROWN))
    larger = Image.fromarray(resample(made.product, size))
    canvas = Image.fromarray(made.pixels)
    at = (spot.left - (size[0] - spot.size[0]) // 2, spot.top - (size[1] - spot.size[1]) // 2)
    canvas.paste(larger, at, larger)
    own = Image.fromarray(made.product)
    canvas.paste(own, (spot.left, spot.top), own)
    return np.asarray(canvas)


def summary(judged: list[dict[str, float]]) -> list[dict[str, str]]:
    """Write what was found, one line for each figure."""

    def column(name: str) -> list[float]:
        return [one[name] for one in judged]

    def spread(name: str, digits: int) -> str:
        values = column(name)
        low, high = min(values), max(values)
        middle, most = percentile(values, 50), percentile(values, 95)
        return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f}), 95 %: {most:.{digits}f}"

    def share(name: str, most: float) -> str:
        return f"{np.mean([value <= most for value in column(name)]):.1%}"

    return [
        {"figure": "scenes", "value": str(len(judged))},
        {"figure": "identical inside the mask", "value": f"{np.mean(column('identical')):.1%}"},
        {"figure": "E ≤ 1 %, background known", "value": share("known", MOST_EXPANSION)},
        {"figure": "E ≤ 1 %, background unknown", "value": share("unknown", MOST_EXPANSION)},
        {"figure": "E, background unknown", "value": spread("unknown", 4)},
        {"figure": f"grown by {GROWN - 1:.0%}: E ≤ 1 %", "value": share("grown", MOST_EXPANSION)},
        {"figure": "E of these", "value": spread("grown", 4)},
        {"figure": "JPEG: kept", "value": f"{np.mean(column('kept')):.1%}"},
        {"figure": "JPEG: dB", "value": spread("psnr", 1)},
        {"figure": "JPEG: shift, levels", "value": spread("shift", 2)},
        {"figure": "seconds of computing a scene", "value": spread("seconds", 2)},
    ]


def save(scene: Scene, scores: dict[str, float], folder: Path) -> None:
    """Write a picture under its figures."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{scene.name} {scores['unknown']:.3f} {scores['grown']:.3f}.jpg"
    Image.fromarray(scene.composition.pixels).save(folder / name.replace(" ", "_"), quality=QUALITY)


if __name__ == "__main__":
    main()
