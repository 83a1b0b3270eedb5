"""Cut-outs against products whose true outline is known.

`python -m benchmarks.cutouts --objects FOLDER [--part test|tune|all] [--limit N] [--side 640]
[--network FOLDER|shipped] [--rooms] [--save FOLDER] [--speed]`: composes rendered objects with an
alpha channel over plain backdrops (with soft shadows, uneven light, noise and JPEG's losses) and
over rooms, cuts them out, and compares with the alpha. Which objects are for tuning is decided by
their names alone; figures that are reported are those of `--part test`. `--network` has a
segmentation network look as well; `--rooms` leaves plain backdrops out, and has every room for each
object. `--speed` measures a photograph's processing instead, per stage, at 1500 × 1500, in seconds
of this process's computing.
"""

import argparse
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from benchmarks.mattes import shadow_below, tinted
from benchmarks.report import show
from catalogue.cutouts.composing import compose as compose_on_canvas
from catalogue.cutouts.cutting import cut_out
from catalogue.cutouts.model import Cutout
from catalogue.cutouts.placement import PlacementRule
from catalogue.cutouts.segmentation import Segmenter
from catalogue.cutouts.shadows import Shadow
from core.pictures.photograph import read_photograph
from starter.cutout.kinds import Part, objects_of
from starter.scenes.subjects import Surroundings
from starter.scenes.surroundings import draw_surroundings
from worker.segmentation.record import SHIPPED

Pixels = npt.NDArray[np.uint8]
Levels = npt.NDArray[np.float32]

PLAIN = ("white", "near white", "grey", "gradient", "coloured", "vignette")
ROOMS = tuple(one for one in Surroundings if not one.value.endswith("studio"))
TINTS = ("own", "white")
QUALITY = 92
SPEED_SIDE, SPEED_OBJECTS = 1500, 6
NEAR = 0.004
"""Share of the side within which two outlines count as the same; DAVIS takes 0.008 of the
diagonal."""
WRONG = 0.9
"""IoU below which a cut-out ought to be looked at."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Photo:
    """A composed photograph, and its truth."""

    name: str
    tint: str
    backdrop: str
    body: bytes
    """The file, JPEG."""
    alpha: Levels
    """Of the product, 0 to 1."""


def main() -> None:
    """Measure cut-outs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=Path, required=True)
    parser.add_argument("--part", choices=("test", "tune", "all"), default="test")
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--side", type=int, default=640)
    parser.add_argument("--network", help="a folder, or `shipped`")
    parser.add_argument("--rooms", action="store_true")
    parser.add_argument("--save", type=Path)
    parser.add_argument("--speed", action="store_true")
    arguments = parser.parse_args()
    files = chosen(arguments.objects, arguments.part, arguments.limit)
    network = opened(arguments.network)
    if arguments.speed:
        measure_speed(files, network)
        return
    judged: dict[str, list[dict[str, float]]] = {}
    for photo in photos(files, arguments.side, rooms=arguments.rooms):
        cutout = cut_out(read_photograph(photo.body).pixels, network=network)
        scores = judge(photo, cutout)
        place = "plain" if photo.backdrop in PLAIN else "rooms"
        where = photo.backdrop if photo.backdrop in PLAIN else "rooms"
        for group in {f"{photo.tint} on {where}", f"{photo.tint}, all {place}", place}:
            judged.setdefault(group, []).append(scores)
        if arguments.save:
            save(photo, cutout, scores["iou"], arguments.save)
    rows = [{"product": group, **summary(scores)} for group, scores in sorted(judged.items())]
    about = {"objects": len(files), "part": arguments.part, "side": arguments.side}
    show("cutouts", rows, about | {"rows": rows})


def opened(name: str | None) -> Segmenter | None:
    """Return the network that an option names."""
    if name is None:
        return None
    from worker.segmentation.segmenter import OpenVinoSegmenter

    return OpenVinoSegmenter(SHIPPED if name == "shipped" else Path(name))


def chosen(folder: Path, part: Part, limit: int) -> list[Path]:
    """Return some of a part's objects."""
    files = objects_of(folder, part)
    return files[:: max(1, len(files) // limit)][:limit]


def photos(files: Sequence[Path], side: int, *, rooms: bool = False) -> Iterator[Photo]:
    """Compose every object over every plain backdrop, in both tints, and over one room.

    With `rooms`, over all rooms instead.
    """
    for number, file in enumerate(files):
        if rooms:
            for room in ROOMS:
                yield compose(file, "own", room.value, side)
            continue
        for tint in TINTS:
            for backdrop in PLAIN:
                yield compose(file, tint, backdrop, side)
        yield compose(file, "own", ROOMS[number % len(ROOMS)].value, side)


def compose(file: Path, tint: str, backdrop: str, side: int) -> Photo:
    """Photograph an object.

    Args:
        file: With an alpha channel, which is the truth.
        tint: One of `TINTS`.
        backdrop: One of `PLAIN`, or a room's name.
        side: Of the photograph, in pixels.
    """
    seed = f"{file.stem} {tint} {backdrop}"
    chance = random.Random(seed)
    rng = np.random.default_rng(chance.randrange(2**32))
    product = placed(Image.open(file).convert("RGBA"), side, chance)
    pixels = np.asarray(product, np.float32)
    alpha = pixels[..., 3] / 255
    box = product.getchannel("A").getbbox() or (0, 0, 1, 1)
    ground = surroundings(backdrop, side, rng)
    shade = shadow_below(box, side) * chance.choice((0.0, 0.25, 0.45))
    ground = ground * (1 - shade[..., None])
    composed = tinted(pixels[..., :3], tint) * alpha[..., None] + ground * (1 - alpha[..., None])
    if backdrop != "white":
        composed = composed + rng.normal(0, 1, composed.shape)
    buffer = BytesIO()
    picture = Image.fromarray(np.clip(composed + 0.5, 0, 255).astype(np.uint8))
    picture.save(buffer, "JPEG", quality=QUALITY)
    return Photo(name=file.stem, tint=tint, backdrop=backdrop, body=buffer.getvalue(), alpha=alpha)


def placed(product: Image.Image, side: int, chance: random.Random) -> Image.Image:
    """Put an object into its frame, somewhere about the middle."""
    product = product.crop(product.getchannel("A").getbbox())
    factor = side * chance.uniform(0.5, 0.72) / max(product.size)
    size = (max(1, round(product.width * factor)), max(1, round(product.height * factor)))
    product = product.resize(size, Image.Resampling.BICUBIC)
    frame = Image.new("RGBA", (side, side))
    left = (side - size[0]) // 2 + round(side * chance.uniform(-0.06, 0.06))
    top = (side - size[1]) // 2 + round(side * chance.uniform(-0.06, 0.04))
    frame.paste(product, (left, top))
    return frame


def surroundings(name: str, side: int, rng: np.random.Generator) -> Levels:
    """Return what an object is photographed before: (side, side, 3), in levels."""
    if name not in PLAIN:
        room = draw_surroundings(Surroundings(name), rng, side)
        return np.asarray(np.clip(room.pixels, 0, 1) * 255, np.float32)
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    middle = (x - rng.uniform(0.4, 0.6)) ** 2 + (y - rng.uniform(0.4, 0.6)) ** 2
    level = {
        "white": np.full_like(x, 255),
        "near white": 250 - 4 * middle,
        "grey": rng.uniform(150, 235) + 6 * x,
        "gradient": 252 - rng.uniform(20, 45) * y,
        "coloured": 235 - 8 * x,
        "vignette": 246 - 60 * middle,
    }[name]
    hue = rng.uniform(0.55, 1, 3) if name == "coloured" else np.ones(3)
    return np.asarray(level[..., None] * hue, np.float32)


def judge(photo: Photo, cutout: Cutout) -> dict[str, float]:
    """Compare a cut-out with the truth."""
    found = cutout.pixels[..., 3].astype(np.float32) / 255
    product, kept = photo.alpha > 0.5, found > 0.5
    return {
        "iou": float(np.count_nonzero(product & kept) / np.count_nonzero(product | kept)),
        "boundary": boundary_f(product, kept),
        "mae": float(np.abs(found - photo.alpha).mean()),
        "review": float(cutout.needs_review),
    }


def boundary_f(truth: npt.NDArray[np.bool_], found: npt.NDArray[np.bool_]) -> float:
    """Return the F-measure of the outlines' precision and recall."""
    lines = [one & ~ndimage.binary_erosion(one) for one in (truth, found)]
    if not lines[1].any():
        return 0.0
    near = max(1.0, NEAR * len(truth))
    hits = [
        float(np.mean(ndimage.distance_transform_edt(~other)[line] <= near))
        for line, other in (lines, lines[::-1])
    ]
    return 2 * hits[0] * hits[1] / max(sum(hits), 1e-9)


def summary(scores: Sequence[dict[str, float]]) -> dict[str, str]:
    """Average what was judged, and compare who is to be looked at with who ought to be."""

    def mean(name: str) -> float:
        return float(np.mean([one[name] for one in scores]))

    wrong = [one["review"] for one in scores if one["iou"] < WRONG]
    right = [one["review"] for one in scores if one["iou"] >= WRONG]
    return {
        "images": str(len(scores)),
        "IoU": f"{mean('iou'):.4f}",
        "worst": f"{min(one['iou'] for one in scores):.3f}",
        "boundary F": f"{mean('boundary'):.3f}",
        "MAE": f"{mean('mae'):.4f}",
        "wrong": str(len(wrong)),
        "… flagged": f"{np.mean(wrong):.0%}" if wrong else "–",
        "right, flagged": f"{np.mean(right):.0%}" if right else "–",
    }


def save(photo: Photo, cutout: Cutout, iou: float, folder: Path) -> None:
    """Write a photograph, its cut-out on magenta, and the difference, side by side."""
    folder.mkdir(parents=True, exist_ok=True)
    alpha = cutout.pixels[..., 3:].astype(np.float32) / 255
    shown = cutout.pixels[..., :3] * alpha + np.float32([230, 0, 230]) * (1 - alpha)
    wrong = np.abs(alpha[..., 0] - photo.alpha) * 255
    source = np.asarray(Image.open(BytesIO(photo.body)))
    strips = [source, shown.astype(np.uint8), np.repeat(wrong[..., None], 3, 2).astype(np.uint8)]
    name = f"{iou:.3f}-{photo.name}-{photo.tint}-{photo.backdrop}.jpg"
    Image.fromarray(np.concatenate(strips, axis=1)).save(folder / name.replace(" ", "_"))


def measure_speed(files: Sequence[Path], network: Segmenter | None) -> None:
    """Measure the stages of photographs of 1500 × 1500, in milliseconds of computing."""
    stages: dict[str, list[float]] = {}
    for number, file in enumerate(files[:SPEED_OBJECTS]):
        photo = compose(file, "own", PLAIN[number % len(PLAIN)], SPEED_SIDE)
        for name, took in timed(photo.body, network):
            stages.setdefault(name, []).append(took)
    rows = [
        {"stage": name, "median ms": f"{np.median(took):.0f}", "most": f"{max(took):.0f}"}
        for name, took in stages.items()
    ]
    per_minute = 60_000 / float(np.median(stages["all"]))
    rows.append({"stage": "images a minute and core", "median ms": f"{per_minute:.0f}", "most": ""})
    about = {"objects": SPEED_OBJECTS, "side": SPEED_SIDE, "images_a_minute": per_minute}
    show("cutout speed", rows, about | {"rows": rows})


def timed(body: bytes, network: Segmenter | None) -> Iterator[tuple[str, float]]:
    """Process one photograph as a cut-out on white is made of it; yield what each stage took."""
    began = last = time.process_time()
    pixels = read_photograph(body).pixels
    yield "read JPEG", 1000 * (time.process_time() - last)
    last = time.process_time()
    cutout = cut_out(pixels, network=network)
    yield "cut out", 1000 * (time.process_time() - last)
    last = time.process_time()
    rule = PlacementRule(width=SPEED_SIDE, height=SPEED_SIDE, enlarge=True)
    placed = compose_on_canvas(cutout, rule, shadow=Shadow.OWN)
    yield "place, resampled, own shadow", 1000 * (time.process_time() - last)
    last = time.process_time()
    Image.fromarray(placed.pixels).save(BytesIO(), "JPEG", quality=QUALITY)
    yield "write JPEG", 1000 * (time.process_time() - last)
    yield "all", 1000 * (time.process_time() - began)


if __name__ == "__main__":
    main()
