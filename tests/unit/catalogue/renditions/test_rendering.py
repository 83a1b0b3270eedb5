"""Images as channels want them: size, ground, fill, bytes, mark."""

import hashlib
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops

from catalogue.channels import PRESETS, Channel, find_channel, note_on, round_factor
from catalogue.renditions.rendering import RenditionError, render
from catalogue.renditions.scene import Box
from core.errors import InvalidImageError
from core.pictures.encoding import encode
from core.pictures.formats import Format
from core.pictures.provenance import COMPOSITE, ENHANCED, source_type_of
from starter.scenes.subjects import Colour
from tests.certificates import make_chain, signing, verified
from tests.pictures import (
    TRAINED,
    marks_of,
    near_white,
    png,
    product,
    silhouette,
    source_type,
)

EVERY = [f"{name}.{one}" for name, preset in PRESETS.items() for one in preset.formats]


def opened(body: bytes) -> Image.Image:
    return Image.open(BytesIO(body))


def border(image: Image.Image) -> np.ndarray:
    """Give the outermost pixels."""
    pixels = np.asarray(image)
    sides = (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])
    return np.concatenate(sides)


@pytest.fixture(scope="module")
def mug() -> bytes:
    """What a small model makes of a red mug on white."""
    return png(near_white(product()))


@pytest.mark.parametrize("name", EVERY)
def test_every_channel_gets_its_format_size_and_mark(name, mug, tmp_path):
    channel = find_channel(name)
    preset = channel.preset
    mark = ENHANCED if preset.photographed else TRAINED
    made = render(encode(opened(mug), Format.PNG, source_type=mark), channel)
    image = opened(made.body)
    assert image.get_format_mimetype() == channel.format.content_type
    assert image.mode == "RGB"
    assert image.size == (made.width, made.height)
    assert preset.smallest <= min(image.size)
    assert max(image.size) <= preset.largest
    assert len(made.body) <= preset.max_bytes
    assert source_type_of(made.body) == mark
    file = tmp_path / f"file.{channel.format.extension}"
    file.write_bytes(made.body)
    assert source_type(file) == mark


@pytest.mark.parametrize("name", ["google_merchant.png", "amazon_secondary.png", "walmart.png"])
def test_a_near_white_ground_becomes_exactly_white(name, mug):
    made = render(mug, find_channel(name))
    assert made.ground == "white"
    pixels = np.asarray(opened(made.body))
    assert border(opened(made.body)).min() == 255
    # Between white and the product nothing is nearly white but its own soft edge.
    assert (pixels.min(axis=2) == 255).mean() > 0.3


def test_what_jpeg_leaves_of_the_white_far_from_the_product_is_exact(mug):
    assert border(opened(render(mug, find_channel("walmart")).body)).min() == 255


@pytest.mark.parametrize("name", ["google_merchant.png", "amazon_secondary.png"])
def test_the_product_takes_the_share_of_the_frame_that_the_channel_wants(name, mug):
    channel = find_channel(name)
    made = render(mug, channel)
    pixels = np.asarray(opened(made.body), np.int16)
    # The mug is red, its shadow grey.
    rows, columns = np.nonzero(pixels.max(axis=2) - pixels.min(axis=2) > 60)
    longest = max(np.ptp(rows), np.ptp(columns)) + 1
    assert longest / made.width == pytest.approx(channel.preset.fill, abs=0.04)
    assert made.fill == channel.preset.fill


def test_a_small_image_is_scaled_up_and_says_so(mug):
    made = render(mug, find_channel("walmart"))
    assert (made.width, made.height) == (1500, 1500)
    assert made.upscaled is not None
    assert 8 < made.upscaled < 16
    assert render(mug, find_channel("web")).upscaled is None


def test_the_web_keeps_what_the_model_made(mug):
    made = render(mug, find_channel("web.png"))
    assert np.array_equal(np.asarray(opened(made.body)), np.asarray(opened(mug)))
    assert made.ground == "kept"


def test_a_thumbnail_is_small():
    large = png(product().resize((640, 320), Image.Resampling.BICUBIC))
    made = render(large, find_channel("thumbnail"))
    assert (made.width, made.height) == (256, 128)


def test_an_oblong_image_becomes_square_on_its_own_white():
    oblong = Image.new("RGB", (96, 160), (252, 252, 251))
    oblong.paste((200, 30, 30), (30, 40, 66, 120))
    made = render(png(oblong), find_channel("amazon_secondary.png"))
    image = opened(made.body)
    assert image.size == (500, 500)
    assert border(image).min() == 255


def test_another_background_is_kept_and_goes_on_beyond_the_frame():
    image = product(Colour.RED, "mint")
    made = render(png(image), find_channel("google_merchant.png"))
    assert made.ground == "kept"
    edge = border(opened(made.body)).astype(int)
    # Mint everywhere, and no white bars.
    assert (edge[:, 1] > edge[:, 0] + 20).all()


def test_a_white_product_keeps_its_own_shades():
    image = near_white(product(Colour.WHITE), darker=3)
    made = render(png(image), find_channel("google_merchant.png"))
    middle = np.asarray(opened(made.body).crop((150, 200, 300, 380)), np.float32)
    assert middle.min() < 250


def limited(name: str, max_bytes: int, **changes: object) -> Channel:
    channel = find_channel(name)
    return replace(channel, preset=replace(channel.preset, max_bytes=max_bytes, **changes))


@pytest.fixture(scope="module")
def noise() -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (600, 600, 3), dtype=np.uint8)
    return png(Image.fromarray(pixels))


@pytest.mark.parametrize("name", ["google_merchant", "google_merchant.webp"])
def test_the_best_quality_within_the_bytes_is_taken(name, noise):
    most = len(render(noise, find_channel(name)).body)
    made = render(noise, limited(name, int(0.7 * most)))
    assert 0.6 * most < len(made.body) <= 0.7 * most
    assert made.width == 600


def test_when_no_quality_will_do_the_picture_becomes_smaller(noise):
    made = render(noise, limited("google_merchant", 60_000, smallest=100))
    assert len(made.body) <= 60_000
    assert 100 <= made.width < 600
    assert marks_of(made.body) == {TRAINED}


def test_what_cannot_be_made_small_enough_is_refused_with_a_way_out(noise):
    with pytest.raises(RenditionError, match=r"0\.3 MB .* even at 500 pixels\. Ask for .* jpeg"):
        render(noise, limited("google_merchant.png", 300_000))


@pytest.mark.parametrize("name", ["walmart", "web", "web.avif", "web.png"])
def test_renditions_of_a_signed_original_are_signed_and_within_the_bytes(name, mug):
    leaf, key, root = make_chain()
    credentials = signing(leaf, key)
    original = encode(opened(mug), Format.PNG, credentials=credentials)
    channel = limited(name, 150_000)
    made = render(original, channel, credentials=credentials)
    assert len(made.body) <= 150_000
    assert marks_of(made.body) == {TRAINED}
    state, _ = verified(made.body, channel.format.content_type, root)
    assert state == "Trusted"


@pytest.mark.parametrize("mark", [ENHANCED, COMPOSITE])
@pytest.mark.parametrize("name", ["walmart", "web"])
def test_renditions_keep_the_mark_of_their_original(name, mark, mug):
    original = encode(opened(mug), Format.PNG, source_type=mark)
    assert marks_of(render(original, find_channel(name)).body) == {mark}


def test_a_signed_rendition_of_a_cut_out_names_what_it_was_made_of(mug):
    leaf, key, root = make_chain()
    credentials = signing(leaf, key)
    original = encode(opened(mug), Format.PNG, credentials=credentials, source_type=ENHANCED)
    made = render(original, find_channel("web.jpeg"), credentials=credentials)
    state, manifest = verified(made.body, "image/jpeg", root)
    assert state == "Trusted"
    (ingredient,) = manifest["ingredients"]
    digest = hashlib.sha256(original).hexdigest()
    assert ingredient["instance_id"] == f"urn:sha256:{digest}"
    assert ingredient["relationship"] == "parentOf"


def cut_out_mug(side: int = 1200, **options: object) -> bytes:
    """Place the mug on white, as `compose` does, marked as a cut-out."""
    picture = product().resize((128 * 4, 128 * 4), Image.Resampling.BICUBIC)
    alpha = Image.fromarray(silhouette()).resize(picture.size)
    canvas = Image.new("RGB", (side, side), "white")
    canvas.paste(picture, (100, 200), alpha)
    return encode(canvas, Format.PNG, **({"source_type": ENHANCED} | options))


@pytest.mark.parametrize(
    ("mark", "said"),
    [(TRAINED, "trainedAlgorithmicMedia"), (COMPOSITE, "compositeWithTrained")],
)
def test_amazons_main_image_is_no_model_s(mark, said):
    with pytest.raises(RenditionError, match=rf"photographed products only.*{said}"):
        render(cut_out_mug(source_type=mark), find_channel("amazon_main"))


def test_amazons_main_image_is_on_white():
    mint = encode(product(Colour.RED, "mint"), Format.PNG, source_type=ENHANCED)
    with pytest.raises(RenditionError, match=r"background is another colour\..*`background` white"):
        render(mint, find_channel("amazon_main"))


@pytest.mark.parametrize("name", ["amazon_main", "amazon_main.png"])
def test_amazons_main_image_is_what_amazon_wants(name):
    made = render(cut_out_mug(), find_channel(name))
    image = opened(made.body)
    assert 1000 <= image.width == image.height <= 10_000
    assert border(image).min() == 255
    assert made.ground == "white"
    pixels = np.asarray(image, np.int16)
    rows, columns = np.nonzero(pixels.max(axis=2) - pixels.min(axis=2) > 60)
    assert (max(np.ptp(rows), np.ptp(columns)) + 1) / image.width >= 0.85
    assert len(made.body) <= 10**7


def white_on_white() -> tuple[bytes, np.ndarray]:
    """Draw a white ball that fades into white paper at its upper left, and give its alpha."""
    y, x = np.mgrid[:600, :600]
    away = np.hypot(y - 250, x - 330)
    shade = 255 - np.clip((y + x - 540) / 8, 0, 60)
    inside = away <= 120
    pixels = np.where(inside, shade, 255).astype(np.uint8)
    return png(Image.fromarray(np.dstack([pixels] * 3))), (inside * 255).astype(np.uint8)


def box_of(alpha: np.ndarray) -> Box:
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    left, right = int(columns[0]), int(columns[-1]) + 1
    return Box(left=left, top=int(rows[0]), right=right, bottom=int(rows[-1]) + 1)


def test_a_white_product_on_white_is_framed_by_where_it_was_placed():
    original, alpha = white_on_white()
    channel = find_channel("google_merchant.png")
    guessed, known = render(original, channel), render(original, channel, box=box_of(alpha))
    assert known.fill == channel.preset.fill
    assert not known.unclear
    # The ball has 241 pixels; by whiteness only its darker part is seen.
    assert known.width == pytest.approx(max(500, 241 / 0.85), abs=2)
    dark = np.argwhere(np.asarray(opened(known.body)).min(axis=2) < 250)
    other = np.argwhere(np.asarray(opened(guessed.body)).min(axis=2) < 250)
    assert abs(dark.mean() - other.mean()) > 5


def test_a_transparent_image_has_its_outline_in_itself():
    original, alpha = white_on_white()
    picture = opened(original).convert("RGB")
    picture.putalpha(Image.fromarray(alpha))
    channel = find_channel("google_merchant.png")
    made = render(png(picture), channel)
    assert (made.fill, made.unclear) == (channel.preset.fill, False)
    # Its outline is finer than any box, and is believed before one.
    elsewhere = Box(left=0, top=0, right=10, bottom=10)
    assert render(png(picture), channel, box=elsewhere).body == made.body
    by_box = opened(render(original, channel, box=box_of(alpha)).body)
    assert ImageChops.difference(opened(made.body), by_box).getextrema()[0][1] <= 2


def test_a_shadow_that_was_drawn_with_a_cut_out_is_kept_in_the_frame():
    original, alpha = white_on_white()
    pixels = np.array(opened(original))
    pixels[420:440, 150:600] = 200
    channel = find_channel("google_merchant.png")
    made = render(png(Image.fromarray(pixels)), channel, box=box_of(alpha))
    assert made.fill is not None
    assert made.fill < channel.preset.fill
    assert (np.asarray(opened(made.body)).min(axis=2) == 200).any()


def test_a_stored_file_that_is_no_image_is_a_sentence():
    with pytest.raises(InvalidImageError, match="no readable image"):
        render(b"not an image", find_channel("web"))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from(["google_merchant", "thumbnail.png", "web"]),
    st.integers(0, 2**32 - 1),
    st.booleans(),
)
def test_whatever_is_drawn_becomes_what_the_channel_wants(width, height, name, seed, pale):
    chance = np.random.default_rng(seed)
    levels = chance.integers(225 if pale else 0, 256, (3, 3)).astype(np.uint8)
    pixels = levels[chance.integers(0, 3, (height, width))]
    channel = find_channel(name)
    made = render(png(Image.fromarray(pixels)), channel)
    image = opened(made.body)
    assert image.size == (made.width, made.height)
    assert max(image.size) <= channel.preset.largest
    assert min(image.size) >= min(channel.preset.smallest, width, height)


@pytest.mark.parametrize("name", ["google_merchant", "walmart", "web"])
def test_a_note_says_where_a_rendition_falls_short(name, mug):
    channel = find_channel(name)
    mint = render(png(product(Colour.RED, "mint")), channel)
    note = note_on(channel, ground=mint.ground, upscaled=None)
    assert (note is None) == (name == "web")
    assert note is None or note.startswith(f"The background is not white, as {name} wants it")
    made = render(mug, channel)
    note = note_on(channel, ground=made.ground, upscaled=made.upscaled)
    assert (note is None) == (name == "web")
    assert note is None or note.startswith("It was enlarged")


@pytest.mark.parametrize(
    ("factor", "said"),
    [(2.34375, 2.3), (1.96, 2.0), (11.71875, 12.0), (9.96, 10.0), (1.04, None), (None, None)],
)
def test_factors_are_rounded_to_what_a_reader_can_use(factor, said):
    assert round_factor(factor) == said
    note = note_on(find_channel("walmart"), ground="white", upscaled=factor)
    assert note == (said and f"It was enlarged {said:g}×, which adds no detail.")
