"""What the judge of scenes can tell apart, and how finely.

`python -m benchmarks.judge --judge DIR [--images 200] [--images 1000] [--sheet PNG]`

Pictures of held-out subjects are judged that are true, and such as a model makes that was hurried:
blurred, averaged with each other, the same for every seed, other than asked. Each figure is shown
with its standard error, which is its resolution at that number of images. A JSON line is last.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from benchmarks.report import show
from core.pictures.encoding import encode
from core.pictures.formats import Format
from modelkit.evaluation.scenes import EACH, SceneJudge, shown_subjects
from starter.scenes.classifier import load_classifier
from starter.scenes.pictures import draw_scenes

Pixels = npt.NDArray[np.uint8]

FRESH = 103
"""Seed of the pictures that are judged: the judge has others."""


def main() -> None:
    """Judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--judge", type=Path, required=True, help="folder of the classifier")
    parser.add_argument("--images", type=int, action="append")
    parser.add_argument("--sheet", type=Path, help="PNG of the first pictures, a row per way")
    arguments = parser.parse_args()
    classifier = load_classifier(arguments.judge)
    found: list[dict[str, Any]] = []
    for count in arguments.images or [200, 1000]:
        subjects = shown_subjects(count)
        judge = SceneJudge(classifier, subjects)
        fresh = draw_scenes(subjects, len(subjects), FRESH).pixels
        ways = {name: way(fresh) for name, way in WAYS.items()}
        if arguments.sheet:
            arguments.sheet.write_bytes(encode(_sheet(list(ways.values())), Format.PNG))
        for name, pictures in ways.items():
            judged = judge.judge(pictures)
            found.append(
                {
                    "pictures": name,
                    "images": len(subjects),
                    "scores": judged.scores,
                    "errors": judged.errors,
                    "accuracy": judged.accuracy,
                }
            )
    show("The judge of scenes", [_row(one) for one in found], {"judged": found})


def _row(one: dict[str, Any]) -> dict[str, Any]:
    scores, errors = one["scores"], one["errors"]
    return {
        "pictures": one["pictures"],
        "images": one["images"],
        "all attributes": f"{scores['attribute_accuracy']:.1%} ± "
        f"{errors['attribute_accuracy']:.1%}",
        "distance": f"{scores['mmd']:.3f} ± {errors['mmd']:.3f}",
        "floor": f"{scores['mmd_floor']:.3f}",
        "sharpness": f"{scores['sharpness']:.2f} ± {errors['sharpness']:.2f}",
        "diversity": f"{scores['diversity']:.2f} ± {errors['diversity']:.2f}",
    }


def _blurred(radius: float) -> Callable[[Pixels], Pixels]:
    filtered = ImageFilter.GaussianBlur(radius)
    return lambda pictures: np.stack(
        [np.asarray(Image.fromarray(picture).filter(filtered)) for picture in pictures]
    )


def _averaged(pictures: Pixels) -> Pixels:
    """Mix each picture with the next of its prompt, as a model that leaves chance undecided."""
    groups = pictures.reshape(-1, EACH, *pictures.shape[1:]).astype(np.float32)
    mixed = np.round((groups + np.roll(groups, 1, axis=1)) / 2).astype(np.uint8)
    return mixed.reshape(pictures.shape)


def _collapsed(pictures: Pixels) -> Pixels:
    """Show the same picture for every seed of a prompt."""
    groups = pictures.reshape(-1, EACH, *pictures.shape[1:])
    return np.repeat(groups[:, :1], EACH, axis=1).reshape(pictures.shape)


WAYS: dict[str, Callable[[Pixels], Pixels]] = {
    "true": lambda pictures: pictures,
    "blurred, 0.7 pixels": _blurred(0.7),
    "blurred, 1.5 pixels": _blurred(1.5),
    "averaged in pairs": _averaged,
    "one for every seed": _collapsed,
    "of other prompts": lambda pictures: np.roll(pictures, EACH, axis=0),
}


def _sheet(rows: list[Pixels]) -> Image.Image:
    return Image.fromarray(np.concatenate([np.concatenate(list(row[:12]), axis=1) for row in rows]))


if __name__ == "__main__":
    main()
