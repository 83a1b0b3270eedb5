"""Watermarks: how many are found and read after what channels do, in how much noise, at what cost.

python -m benchmarks.watermark --pictures 1000 [--unmarked 10000]
"""

import argparse
import json
import time
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.pictures.marking import derive_key
from core.pictures.watermark.code import Kind, Payload
from core.pictures.watermark.detection import detect
from core.pictures.watermark.embedding import embed
from starter.scenes.composition import draw
from starter.scenes.subjects import split_subjects

Pixels = npt.NDArray[np.uint8]

PHOTOS = sorted((Path(__file__).parents[1] / "examples" / "shop" / "photos").glob("*.jpg"))
SIDES = (512, 512, 512, 640, 768, 1024)
SUBJECTS = [subject for part in split_subjects() for subject in part]


def picture(number: int) -> Pixels:
    """Return one of the pictures: of ten, four of photographs, five scenes, one without things."""
    chance = np.random.default_rng((9, number))
    side = int(chance.choice(SIDES))
    kind = number % 10
    if kind < 4:
        return _photograph(chance, side)
    if has_things(number):
        return draw(SUBJECTS[int(chance.integers(len(SUBJECTS)))], chance, side)
    return _plain(chance, side, number // 10 % 4)


def has_things(number: int) -> bool:
    """Return whether a picture shows more than a gradient, a flat colour, or noise."""
    return number % 10 < 9


def _photograph(chance: np.random.Generator, side: int) -> Pixels:
    with Image.open(PHOTOS[int(chance.integers(len(PHOTOS)))]) as opened:
        whole = opened.convert("RGB")
    share = chance.uniform(0.5, 1)
    width, height = (int(one * share) for one in whole.size)
    left, top = (int(chance.integers(one - int(one * share) + 1)) for one in whole.size)
    part = whole.crop((left, top, left + width, top + height))
    scale = side / min(part.size)
    size = (round(width * scale), round(height * scale))
    return np.asarray(part.resize(size, Image.Resampling.LANCZOS))


def _plain(chance: np.random.Generator, side: int, kind: int) -> Pixels:
    down, across = np.mgrid[0:side, 0:side] / side
    if kind in {0, 2}:
        slopes = chance.uniform(-0.5, 0.5, (2, 3)) * 255
        middle = chance.uniform(0.3, 0.7, 3) * 255
        levels = down[..., None] * slopes[0] + across[..., None] * slopes[1] + middle
    elif kind == 1:
        levels = np.full((side, side, 3), chance.choice([255, 255, 250, 128, 0]))
    else:
        noise = np.fft.rfft2(chance.standard_normal((side, side, 3)), axes=(0, 1))
        length = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
        length[0, 0] = 1
        noise /= length[..., None] ** chance.uniform(0.6, 1.2)
        levels = np.fft.irfft2(noise, s=(side, side), axes=(0, 1))
        levels = 128 + levels / levels.std() * 50
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def saved(pixels: Pixels) -> Pixels:
    """Save as JPEG of quality 70."""
    body = BytesIO()
    Image.fromarray(pixels).save(body, "JPEG", quality=70)
    return np.asarray(Image.open(body).convert("RGB"))


def halved(pixels: Pixels) -> Pixels:
    """Scale to half the width and height."""
    height, width = pixels.shape[:2]
    shrunk = Image.fromarray(pixels).resize((width // 2, height // 2), Image.Resampling.LANCZOS)
    return np.asarray(shrunk)


def cropped(pixels: Pixels) -> Pixels:
    """Cut a tenth of the width and of the height off."""
    height, width = pixels.shape[:2]
    top, left = int(height * 0.037), int(width * 0.061)
    return pixels[top : top + int(height * 0.9), left : left + int(width * 0.9)]


ATTACKS = {
    "as written": lambda pixels: pixels,
    "jpeg 70": saved,
    "half": halved,
    "crop": cropped,
    "all three": lambda pixels: saved(halved(cropped(pixels))),
}


def main() -> None:
    """Measure, and end with a JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--unmarked", type=int, default=0, help="further ones, without a mark")
    arguments = parser.parse_args()
    count = arguments.pictures
    key = derive_key("benchmark")
    found: Counter[str] = Counter()
    found_things: Counter[str] = Counter()
    read: Counter[str] = Counter()
    decibels, seconds, pixels, false = [], 0.0, 0, 0
    for number in range(count):
        plain = picture(number)
        payload = Payload(kind=Kind.GENERATED, reference=f"{number * 9876543:010x}")
        began = time.process_time()
        marked = embed(plain, payload, key)
        seconds += time.process_time() - began
        pixels += plain.shape[0] * plain.shape[1]
        error = np.mean((marked.astype(np.float64) - plain) ** 2)
        decibels.append(float(10 * np.log10(255**2 / error)))
        false += detect(plain, key) is not None
        for name, attack in ATTACKS.items():
            mark = detect(attack(marked), key)
            found[name] += mark is not None
            found_things[name] += mark is not None and has_things(number)
            read[name] += mark is not None and mark.payload == payload
    for number in range(count, count + arguments.unmarked):
        false += detect(picture(number), key) is not None
    result = {
        "pictures": count,
        "unmarked": count + arguments.unmarked,
        "with things": sum(map(has_things, range(count))),
        "found with things": {name: found_things[name] for name in ATTACKS},
        "found": {name: found[name] for name in ATTACKS},
        "read": {name: read[name] for name in ATTACKS},
        "found in unmarked ones": false,
        "least PSNR": round(min(decibels), 2),
        "milliseconds per megapixel": round(seconds / pixels * 1e9, 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
