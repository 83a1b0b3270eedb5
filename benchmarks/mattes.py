"""Products told from their backdrops, against cut-outs whose truth is known.

`python -m benchmarks.mattes --objects FOLDER [--limit 40] [--side 512] [--save FOLDER]`: composes
rendered objects with an alpha channel (PNG or WebP) over studio backdrops, in white, dark and their
own colours, with a soft shadow and specks, and compares what is found with the alpha. `before` is
the rule that this project had until decision 0028: near enough to white, from the frame inwards.
"""

import argparse
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from benchmarks.report import show
from benchmarks.whiteness import look as look_before
from catalogue.renditions.scene import look

Pixels = npt.NDArray[np.uint8]
Levels = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

TINTS = ("own", "white", "dark")
BACKDROPS = ("white", "near white", "gradient", "grey")
CLEAN = 3
"""Levels from white at which background counts as left."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A composed picture, and its truth."""

    tint: str
    backdrop: str
    pixels: Pixels
    alpha: Levels
    """Of the product, 0 to 1."""
    shadow: Levels
    """Of the shadow, 0 to 1."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """What a rule found."""

    ground: Mask
    shadow: Mask
    """What is taken for the product's shadow; the old rule had none."""
    box: tuple[int, int, int, int] | None
    """Left, top, right, bottom."""


def main() -> None:
    """Compare both rules."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--save", type=Path)
    arguments = parser.parse_args()
    files = sorted(one for one in arguments.objects.iterdir() if one.suffix in (".webp", ".png"))
    files = files[:: max(1, len(files) // arguments.limit)][: arguments.limit]
    measured: dict[tuple[str, str], list[dict[str, float]]] = {}
    for number, case in enumerate(cases(files, arguments.side)):
        for name, rule in (("before", before), ("after", after)):
            found = rule(case.pixels)
            key = (f"{case.tint} on {case.backdrop}", name)
            measured.setdefault(key, []).append(judge(case, found))
            if arguments.save:
                save(case, found, arguments.save / f"{number:03}-{name}.png")
    rows = [
        {"product": product, "rule": rule, **summary(judged)}
        for (product, rule), judged in measured.items()
    ]
    show("mattes", rows, {"images": len(files), "side": arguments.side, "rows": rows})


def cases(files: Sequence[Path], side: int) -> Iterator[Case]:
    """Compose every object in every tint over every backdrop."""
    for seed, file in enumerate(files):
        cutout = Image.open(file).convert("RGBA")
        for tint in TINTS:
            for backdrop in BACKDROPS:
                yield compose(cutout, tint, backdrop, side, random.Random(f"{seed} {tint}"))


def compose(
    cutout: Image.Image, tint: str, backdrop: str, side: int, chance: random.Random
) -> Case:
    """Put an object on a backdrop, with a soft shadow below it and some specks.

    Args:
        cutout: RGBA; its alpha is the truth.
        tint: One of `TINTS`.
        backdrop: One of `BACKDROPS`.
        side: Of the picture, in pixels.
        chance: Where things are.
    """
    longest = round(side * chance.uniform(0.5, 0.7))
    cutout = cutout.crop(cutout.getchannel("A").getbbox())
    cutout = cutout.copy()
    factor = longest / max(cutout.size)
    cutout = cutout.resize(
        (max(1, round(cutout.width * factor)), max(1, round(cutout.height * factor))),
        Image.Resampling.BICUBIC,
    )
    left = (side - cutout.width) // 2 + round(side * chance.uniform(-0.06, 0.06))
    top = (side - cutout.height) // 2 + round(side * chance.uniform(-0.06, 0.04))
    product = Image.new("RGBA", (side, side))
    product.paste(cutout, (left, top))
    pixels = np.asarray(product, np.float32)
    alpha = pixels[..., 3] / 255
    colour = tinted(pixels[..., :3], tint)
    shadow = shadow_below(product.getchannel("A").getbbox() or (0, 0, 1, 1), side)
    noise = np.random.default_rng(chance.randrange(2**32))
    ground = backdrop_levels(backdrop, side)
    ground = specks(ground, chance, avoid=alpha) * (1 - 0.4 * shadow[..., None])
    composed = colour * alpha[..., None] + ground * (1 - alpha[..., None])
    if backdrop != "white":
        composed = composed + noise.normal(0, 1, composed.shape)
    return Case(
        tint=tint,
        backdrop=backdrop,
        pixels=np.clip(composed + 0.5, 0, 255).astype(np.uint8),
        alpha=alpha,
        shadow=shadow * (1 - alpha),
    )


def tinted(colour: Levels, tint: str) -> Levels:
    """Repaint an object: its own shades, in white (lit) or in black."""
    if tint == "own":
        return colour
    grey = colour @ np.array([0.3, 0.6, 0.1], np.float32) / 255
    levels = 218 + 37 * grey if tint == "white" else 20 + 60 * grey
    return np.repeat(levels[..., None], 3, axis=2)


def backdrop_levels(name: str, side: int) -> Levels:
    """Light a backdrop: (side, side, 3)."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    levels = {
        "white": np.full_like(x, 255),
        "near white": 251 - 3 * ((x - 0.5) ** 2 + (y - 0.5) ** 2),
        "gradient": 254 - 20 * y,
        "grey": 236 + 6 * x,
    }[name]
    return np.repeat(levels[..., None], 3, axis=2)


def shadow_below(box: tuple[int, int, int, int], side: int) -> Levels:
    """Draw a soft ellipse under a product: 0 to 1."""
    left, _, right, bottom = box
    height = 0.05 * side
    mask = Image.new("L", (side, side))
    inset = 0.06 * (right - left)
    ImageDraw.Draw(mask).ellipse(
        (left + inset, bottom - height, right - inset, bottom + height / 2), fill=255
    )
    return np.asarray(mask.filter(ImageFilter.GaussianBlur(0.016 * side)), np.float32) / 255


def specks(ground: Levels, chance: random.Random, *, avoid: Levels) -> Levels:
    """Drop some dust on a backdrop, away from the product."""
    side = len(ground)
    image = Image.fromarray(np.clip(ground + 0.5, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    free = np.asarray(
        Image.fromarray((avoid > 0).astype(np.uint8) * 255).filter(ImageFilter.MaxFilter(31))
    )
    for _ in range(6):
        x, y = (chance.randrange(round(0.02 * side), round(0.98 * side)) for _ in range(2))
        radius = chance.uniform(0.5, 3) * side / 512
        level = chance.randrange(90, 215)
        if not free[y, x]:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(level,) * 3)
    drawn = np.asarray(image, np.float32)
    return np.where(drawn != np.floor(ground + 0.5), drawn, ground)


def before(pixels: Pixels) -> Found:
    """Apply the old rule."""
    scene = look_before(pixels)
    box = scene.box
    return Found(
        ground=scene.ground,
        shadow=np.zeros_like(scene.ground),
        box=(box.left, box.top, box.right, box.bottom) if box else None,
    )


def after(pixels: Pixels) -> Found:
    """Apply the rule that renditions are made by."""
    scene = look(pixels)
    box = scene.box
    return Found(
        ground=scene.ground,
        shadow=(scene.fade > 0) & ~scene.ground,
        box=(box.left, box.top, box.right, box.bottom) if box else None,
    )


def judge(case: Case, found: Found) -> dict[str, float]:
    """Compare what was found with the truth."""
    product, sure = case.alpha > 0.5, case.alpha > 0.99
    far = (case.alpha == 0) & (case.shadow < 0.01)
    kept = ~found.ground & ~(case.shadow > 0.02)
    rows, columns = np.nonzero(product)
    truth = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    side = len(product)
    return {
        "iou": np.count_nonzero(kept & product & ~(case.shadow > 0.02))
        / np.count_nonzero((kept | product) & ~(case.shadow > 0.02)),
        "eaten": np.count_nonzero(sure & found.ground) / np.count_nonzero(sure),
        "left": np.count_nonzero(far & ~found.ground) / np.count_nonzero(far),
        "no_box": float(found.box is None),
        "fill": _fill_error(truth, found.box),
        "centre": _centre_error(truth, found.box) / side,
    }


def _longest(box: Sequence[int]) -> int:
    return max(box[2] - box[0], box[3] - box[1])


def _fill_error(truth: Sequence[int], box: Sequence[int] | None) -> float:
    return abs(_longest(box) / _longest(truth) - 1) if box else 1.0


def _centre_error(truth: Sequence[int], box: Sequence[int] | None) -> float:
    if box is None:
        return 0.0
    across = (box[0] + box[2] - truth[0] - truth[2]) / 2
    down = (box[1] + box[3] - truth[1] - truth[3]) / 2
    return float(np.hypot(across, down))


def summary(judged: Sequence[dict[str, float]]) -> dict[str, str]:
    """Average what was judged."""

    def mean(name: str) -> float:
        return float(np.mean([one[name] for one in judged]))

    return {
        "IoU": f"{mean('iou'):.3f}",
        "worst": f"{min(one['iou'] for one in judged):.3f}",
        "product whitened": f"{100 * mean('eaten'):.2f} %",
        "background left": f"{100 * mean('left'):.2f} %",
        "not found": f"{100 * mean('no_box'):.0f} %",
        "size off": f"{100 * mean('fill'):.1f} %",
        "centre off": f"{100 * mean('centre'):.1f} %",
    }


def save(case: Case, found: Found, file: Path) -> None:
    """Write a picture, with what was taken for background in green, beside it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    marked = np.where(found.ground[..., None], np.uint8([120, 220, 120]), case.pixels)
    marked = np.where(found.shadow[..., None], np.uint8([120, 160, 255]), marked)
    image = Image.fromarray(np.concatenate([case.pixels, marked], axis=1))
    if found.box:
        left, top, right, bottom = found.box
        side = len(marked)
        ImageDraw.Draw(image).rectangle(
            (side + left, top, side + right - 1, bottom - 1), outline="red"
        )
    image.save(file)


if __name__ == "__main__":
    main()
