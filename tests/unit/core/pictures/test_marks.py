"""Marks in files from outside: written by others' programs, and read as what they are worth."""

import socket
import zlib
from io import BytesIO

import c2pa
import numpy as np
import pytest
from PIL import Image

from core.db.engine import Database
from core.errors import InvalidImageError
from core.pictures.encoding import encode
from core.pictures.formats import Format
from core.pictures.marking import PUBLIC_KEY, derive_key
from core.pictures.marks import Carrier, Confidence, MarkReader, Origin
from core.pictures.provenance import COMPOSITE, ENHANCED, TRAINED, VOCABULARY, AiUse, ai_use_of
from core.pictures.watermark.code import Kind, Payload
from core.pictures.watermark.embedding import embed
from core.settings import Settings
from core.signing import credentials_of
from tests.certificates import make_chain, signing
from tests.pictures import animation, bomb, near_white, png, product, source_type, write_source_type

KEY = derive_key("a secret")
READER = MarkReader(key=KEY)
WITHOUT_SECRET = MarkReader(key=PUBLIC_KEY)
"""Looks for one watermark instead of two."""
CAPTURE = f"{VOCABULARY}digitalCapture"
ACTIONS = {"actions": [{"action": "c2pa.created", "digitalSourceType": TRAINED}]}
MANIFEST = {
    "claim_generator_info": [{"name": "another program"}],
    "assertions": [{"label": "c2pa.actions", "data": ACTIONS}],
}


@pytest.fixture(scope="module")
def chain() -> tuple[str, str, str]:
    return make_chain()


@pytest.fixture(scope="module")
def drawn() -> Image.Image:
    return near_white(product().resize((512, 512), Image.Resampling.BICUBIC))


def watermarked(picture: Image.Image, kind: Kind, key: bytes) -> bytes:
    payload = Payload(kind=kind, reference="0123456789")
    return png(Image.fromarray(embed(np.asarray(picture), payload, key)))


def signed_by_c2pa(chain, *, remote: str | None = None) -> bytes:
    """Sign a picture as another program does, with C2PA's own library."""
    leaf, key, _ = chain
    target = BytesIO()
    info = c2pa.C2paSignerInfo(b"es256", leaf.encode(), key.encode(), None)
    with c2pa.Signer.from_info(info) as signer, c2pa.Builder(MANIFEST) as builder:
        if remote:
            builder.set_no_embed()
            builder.set_remote_url(remote)
        builder.sign(signer, "image/png", BytesIO(png(product())), target)
    return target.getvalue()


def test_a_photograph_without_marks_has_none_and_nothing_is_said_of_it(drawn):
    found = READER.read(png(drawn))
    assert (found.content_type, found.width, found.height) == ("image/png", 512, 512)
    assert found.marks == ()
    assert found.notes == ()
    assert found.ai_use is None


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize(("term", "use"), [(TRAINED, "generated"), (CAPTURE, "none")])
def test_xmp_is_read_as_exiftool_writes_it(tmp_path, format_, term, use):
    file = tmp_path / "picture"
    product().save(file, format_)
    write_source_type(file, term)
    assert source_type(file) == term
    found = WITHOUT_SECRET.read(file.read_bytes())
    (mark,) = found.marks
    assert (mark.carrier, mark.confidence) == (Carrier.XMP, Confidence.STATED)
    assert (mark.origin, mark.source_type) == (Origin.UNKNOWN, term)
    assert found.ai_use == use


def test_credentials_are_read_as_c2pa_writes_them(chain):
    found = WITHOUT_SECRET.read(signed_by_c2pa(chain))
    (mark,) = found.marks
    assert (mark.carrier, mark.confidence) == (Carrier.C2PA, Confidence.SIGNED)
    assert (mark.origin, mark.source_type) == (Origin.OTHER, TRAINED)
    assert (mark.signer.organisation, mark.signer.name) == ("A shop", "Signer")
    assert mark.generator == "another program"
    assert found.ai_use is AiUse.GENERATED


def test_credentials_are_this_deployments_by_its_certificate(chain, tmp_path):
    leaf, key, _ = chain
    (tmp_path / "chain.pem").write_text(leaf)
    (tmp_path / "key.pem").write_text(key)
    settings = Settings(
        _env_file=None,
        c2pa_certificate=str(tmp_path / "chain.pem"),
        c2pa_key=str(tmp_path / "key.pem"),
    )
    reader = MarkReader.of(settings, credentials_of(settings, Database(settings)))
    own = encode(product(), Format.JPEG, credentials=signing(leaf, key))
    other_leaf, other_key, _ = make_chain()
    others = encode(product(), Format.JPEG, credentials=signing(other_leaf, other_key))
    for body, origin in ((own, Origin.THIS), (others, Origin.OTHER)):
        found = {one.carrier: one for one in reader.read(body).marks}
        assert found[Carrier.C2PA].origin is origin
        assert found[Carrier.XMP].source_type == TRAINED


def test_credentials_of_a_file_that_was_changed_are_broken_and_count(chain):
    signed = bytearray(signed_by_c2pa(chain))
    at = signed.index(b"IDAT") - 4
    # Another comment before the pixels, and so a file that was not signed.
    comment = b"\0\0\0\x03tEXta\0b" + zlib.crc32(b"tEXta\0b").to_bytes(4)
    (mark,) = WITHOUT_SECRET.read(bytes(signed[:at] + comment + signed[at:])).marks
    assert (mark.confidence, mark.source_type) == (Confidence.BROKEN, TRAINED)


def test_credentials_at_an_address_are_not_fetched(chain):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/manifest.c2pa"
        found = WITHOUT_SECRET.read(signed_by_c2pa(chain, remote=address))
        with pytest.raises(TimeoutError):
            listener.accept()
    assert found.marks == ()
    assert any("not fetched" in one for one in found.notes)


@pytest.mark.parametrize(
    ("key", "origin"), [(KEY, Origin.THIS), (PUBLIC_KEY, Origin.UNKNOWN)], ids=["own", "public"]
)
@pytest.mark.parametrize(
    ("kind", "use"), [(Kind.GENERATED, AiUse.GENERATED), (Kind.COMPOSED, AiUse.COMPOSED)]
)
def test_watermarks_of_the_deployment_and_of_those_without_a_secret_are_read(
    drawn, key, origin, kind, use
):
    found = READER.read(watermarked(drawn, kind, key))
    (mark,) = found.marks
    assert (mark.carrier, mark.confidence) == (Carrier.WATERMARK, Confidence.MEASURED)
    assert (mark.origin, mark.reference) == (origin, "0123456789")
    assert 0 <= mark.chance <= 1e-7
    assert found.ai_use is use


def test_the_watermark_of_another_deployments_secret_is_not_seen(drawn):
    assert READER.read(watermarked(drawn, Kind.GENERATED, derive_key("another"))).marks == ()


def test_the_strongest_mark_decides(drawn, tmp_path):
    file = tmp_path / "said.png"
    file.write_bytes(watermarked(drawn, Kind.GENERATED, KEY))
    write_source_type(file, ENHANCED)
    found = READER.read(file.read_bytes())
    assert [one.source_type for one in found.marks] == [ENHANCED, TRAINED]
    assert found.ai_use is AiUse.GENERATED


@pytest.mark.parametrize("size", [(6000, 64), (64, 6000), (2200, 2100)])
def test_long_and_large_pictures_take_no_more_memory_than_others(size):
    """A transform of all of the first would take 9 GB."""
    width, height = size
    pixels = np.full((height, width, 3), 200, np.uint8)
    assert WITHOUT_SECRET.read(png(Image.fromarray(pixels))).marks == ()


def test_a_long_picture_is_read_in_its_middle(drawn):
    strip = Image.new("RGB", (2048, 512))
    for at in range(4):
        strip.paste(drawn, (512 * at, 0))
    (mark,) = READER.read(watermarked(strip, Kind.GENERATED, KEY)).marks
    assert mark.reference == "0123456789"


def test_a_picture_too_small_for_a_watermark_says_so():
    found = WITHOUT_SECRET.read(png(product().resize((32, 32))))
    assert found.marks == ()
    assert found.notes == ("No watermark was looked for: it needs 64 pixels on the shorter side.",)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (lambda: b"", "empty"),
        (lambda: b"a text, and no image at all", "readable|read"),
        (lambda: b"<html></html>", "web page"),
        (lambda: png(Image.new("RGB", (8, 8))), "8 × 8 pixels"),
        (animation, "animation"),
        (lambda: png(near_white(product()))[:-2000], "ends before|damaged"),
        (lambda: bomb(60_000), "Make it smaller"),
    ],
    ids=["empty", "text", "page", "tiny", "animation", "truncated", "bomb"],
)
def test_what_is_no_picture_is_refused_in_a_sentence(body, sentence):
    with pytest.raises(InvalidImageError, match=sentence):
        WITHOUT_SECRET.read(body())


@pytest.mark.parametrize(
    ("term", "making", "use"),
    [
        (TRAINED, "text", AiUse.GENERATED),
        (COMPOSITE, "edit", AiUse.EDITED),
        (COMPOSITE, "scene", AiUse.COMPOSED),
        (ENHANCED, "cutout", AiUse.NONE),
        # A photograph that was generated, or composed, before it came here.
        (TRAINED, "cutout", AiUse.GENERATED),
        (TRAINED, "edit", AiUse.GENERATED),
        (f"{VOCABULARY}compositeSynthetic", "cutout", AiUse.COMPOSED),
        (f"{VOCABULARY}digitalCreation", "cutout", AiUse.NONE),
        (COMPOSITE, None, AiUse.COMPOSED),
    ],
)
def test_how_an_image_was_made_and_its_mark_say_what_forms_ask(term, making, use):
    assert ai_use_of(term, making) is use
