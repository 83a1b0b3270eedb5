"""A watermark cannot be seen, is found after what channels do to pictures, and only where it is."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.pictures.marking import PUBLIC_KEY, Watermark, derive_key, watermark_of
from core.pictures.provenance import COMPOSITE, ENHANCED, TRAINED
from core.pictures.watermark.code import Kind, Payload
from core.pictures.watermark.detection import FALSE_POSITIVES, THRESHOLD, detect
from core.pictures.watermark.embedding import LEAST_SIDE, embed, lift
from core.settings import Settings
from starter.scenes.composition import draw
from starter.scenes.subjects import split_subjects

KEY = derive_key("a secret")
PAYLOAD = Payload(kind=Kind.GENERATED, reference="0123456789")
PHOTOS = Path(__file__).parents[4] / "examples" / "shop" / "photos"


def photo(name: str) -> np.ndarray:
    with Image.open(PHOTOS / f"{name}.jpg") as opened:
        return np.asarray(opened.convert("RGB").resize((640, 640), Image.Resampling.LANCZOS))


def scene(number: int) -> np.ndarray:
    subject = split_subjects()[0][number]
    return draw(subject, np.random.default_rng(number), 512)


def gradient() -> np.ndarray:
    light = np.linspace(60, 200, 512)
    return np.repeat(np.add.outer(light, light)[..., None] / 2, 3, axis=2).astype(np.uint8)


PICTURES = {
    "teapot": photo("teapot"),
    "dress": photo("dress"),
    "scene": scene(3),
    "another scene": scene(40),
    "gradient": gradient(),
}
MARKED = {name: embed(pixels, PAYLOAD, KEY) for name, pixels in PICTURES.items()}


def saved(pixels: np.ndarray) -> np.ndarray:
    body = BytesIO()
    Image.fromarray(pixels).save(body, "JPEG", quality=70)
    return np.asarray(Image.open(body).convert("RGB"))


def halved(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    picture = Image.fromarray(pixels)
    return np.asarray(picture.resize((width // 2, height // 2), Image.Resampling.LANCZOS))


def cropped(pixels: np.ndarray) -> np.ndarray:
    height, width = pixels.shape[:2]
    top, left = height // 27, width // 16
    return pixels[top : top + height * 9 // 10, left : left + width * 9 // 10]


@pytest.mark.parametrize("name", PICTURES)
def test_a_mark_changes_little(name):
    difference = MARKED[name].astype(np.float64) - PICTURES[name]
    assert difference.any()
    assert 10 * np.log10(255**2 / np.mean(difference**2)) >= 45


@pytest.mark.parametrize("change", [np.asarray, saved, halved, cropped])
@pytest.mark.parametrize("name", PICTURES)
def test_a_mark_is_found_and_read_after_what_channels_do(name, change):
    found = detect(change(MARKED[name]), KEY)
    assert found is not None
    assert found.chance <= FALSE_POSITIVES
    assert found.payload == PAYLOAD


@pytest.mark.parametrize("name", ["teapot", "scene", "another scene"])
def test_a_mark_is_found_after_all_of_it(name):
    assert detect(saved(halved(cropped(MARKED[name]))), KEY) is not None


@pytest.mark.parametrize("name", PICTURES)
def test_nothing_is_found_where_there_is_nothing_or_somebody_else_s(name):
    assert detect(PICTURES[name], KEY) is None
    assert detect(MARKED[name], derive_key("another secret")) is None


def test_the_best_scores_of_unmarked_noise_stay_as_far_below_as_the_bound_says():
    generator = np.random.default_rng(5)
    for _ in range(4):
        noise = generator.integers(0, 256, (300, 300, 3), np.uint8)
        assert detect(noise, KEY) is None
    assert THRESHOLD > 7


def test_flat_white_carries_a_mark():
    white = np.full((512, 512, 3), 255, np.uint8)
    found = detect(embed(white, PAYLOAD, KEY), KEY)
    assert found is not None
    assert found.payload == PAYLOAD


def test_the_same_arguments_give_the_same_pixels():
    assert np.array_equal(embed(PICTURES["scene"], PAYLOAD, KEY), MARKED["scene"])
    other = Payload(kind=Kind.GENERATED, reference="0123456788")
    assert not np.array_equal(embed(PICTURES["scene"], other, KEY), MARKED["scene"])


def test_what_is_kept_keeps_its_pixels_and_the_rest_is_found():
    keep = np.zeros((512, 512), np.bool_)
    keep[150:400, 160:370] = True
    marked = embed(PICTURES["scene"], PAYLOAD, KEY, keep=keep)
    assert np.array_equal(marked[keep], PICTURES["scene"][keep])
    assert (marked[~keep] != PICTURES["scene"][~keep]).any()
    found = detect(marked, KEY)
    assert found is not None
    assert found.payload == PAYLOAD
    everywhere = np.ones((512, 512), np.bool_)
    assert embed(PICTURES["scene"], PAYLOAD, KEY, keep=everywhere) is PICTURES["scene"]


@pytest.mark.parametrize("side", [16, LEAST_SIDE - 1])
def test_a_picture_without_room_stays_as_it_is(side):
    small = PICTURES["scene"][:side, :side]
    assert embed(small, PAYLOAD, KEY) is small
    assert lift(small, PAYLOAD, KEY) is small


def test_nothing_is_looked_for_in_a_picture_of_a_few_pixels():
    assert detect(PICTURES["scene"][:16, :16], KEY) is None


@pytest.mark.parametrize("name", PICTURES)
def test_a_mark_is_taken_off_again_but_for_rounding(name):
    lifted = lift(MARKED[name], PAYLOAD, KEY)
    left = np.abs(lifted.astype(np.float64) - PICTURES[name]).mean()
    written = np.abs(MARKED[name].astype(np.float64) - PICTURES[name]).mean()
    assert left < written / 5
    assert detect(lifted, KEY) is None


def test_nothing_is_taken_off_a_picture_that_has_no_mark_or_another_one():
    assert lift(PICTURES["scene"], PAYLOAD, KEY) is PICTURES["scene"]
    assert lift(MARKED["scene"], PAYLOAD, derive_key("b")) is MARKED["scene"]


def test_a_damaged_payload_is_not_read():
    body = bytearray(PAYLOAD.to_bytes(KEY))
    assert Payload.from_bytes(bytes(body), KEY) == PAYLOAD
    body[3] ^= 1
    assert Payload.from_bytes(bytes(body), KEY) is None


@pytest.mark.parametrize(
    ("source_type", "kind"), [(TRAINED, Kind.GENERATED), (COMPOSITE, Kind.COMPOSED)]
)
def test_what_a_machine_drew_is_marked_as_that(source_type, kind):
    marked = Watermark(key=KEY).mark(
        PICTURES["teapot"], source_type=source_type, fingerprint="abcdef0123" + "0" * 54
    )
    found = detect(marked, KEY)
    assert found is not None
    assert found.payload == Payload(kind=kind, reference="abcdef0123")


def test_a_photograph_is_not_marked():
    pixels = PICTURES["teapot"]
    assert Watermark(key=KEY).mark(pixels, source_type=ENHANCED, fingerprint="ab" * 32) is pixels


def test_settings_say_whose_marks_there_are():
    assert watermark_of(Settings(_env_file=None, watermark=False)) is None
    assert watermark_of(Settings(_env_file=None)) == Watermark(key=PUBLIC_KEY)
    own = watermark_of(Settings(_env_file=None, watermark_secret="a secret"))
    assert own == Watermark(key=KEY)
