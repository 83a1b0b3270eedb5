"""What a photograph says of how it was made is read as exiftool writes it, and not lost."""

from io import BytesIO

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from core.pictures.encoding import encode
from core.pictures.formats import Format
from core.pictures.provenance import (
    COMPOSITE,
    ENHANCED,
    TRAINED,
    VOCABULARY,
    Making,
    is_photographed,
    source_type_for,
    source_type_of,
    xmp,
)
from tests.certificates import make_chain, signing
from tests.pictures import product, source_type, write_source_type

CAPTURE = f"{VOCABULARY}digitalCapture"
DRAWN = f"{VOCABULARY}digitalCreation"


@pytest.mark.parametrize(
    ("making", "source", "expected"),
    [
        ("text", None, TRAINED),
        ("cutout", None, ENHANCED),
        ("scene", None, COMPOSITE),
        ("edit", None, COMPOSITE),
        # A camera's, and what people did with it, says less than that an algorithm cut it out.
        ("cutout", CAPTURE, ENHANCED),
        ("cutout", f"{VOCABULARY}humanEdits", ENHANCED),
        # A generated product stays one, whatever is done with it.
        ("cutout", TRAINED, TRAINED),
        ("cutout", COMPOSITE, COMPOSITE),
        ("cutout", f"{VOCABULARY}compositeSynthetic", f"{VOCABULARY}compositeSynthetic"),
        ("cutout", DRAWN, DRAWN),
        ("scene", TRAINED, TRAINED),
        ("scene", CAPTURE, COMPOSITE),
        ("scene", DRAWN, COMPOSITE),
        ("edit", TRAINED, TRAINED),
        # A term that the IPTC adds later may say anything.
        ("cutout", f"{VOCABULARY}someLaterTerm", f"{VOCABULARY}someLaterTerm"),
    ],
)
def test_the_stronger_of_two_marks_stays(making, source, expected):
    assert source_type_for(making, source) == expected


def test_there_are_no_other_ways_to_make_an_image():
    with pytest.raises(ValueError, match="collage"):
        source_type_for("collage")


def test_only_what_a_camera_saw_is_photographed():
    assert [is_photographed(one) for one in (ENHANCED, CAPTURE)] == [True, True]
    assert not any(is_photographed(one) for one in (TRAINED, COMPOSITE, DRAWN, None))


@pytest.mark.parametrize("making", Making)
def test_exiftool_reads_the_mark_of_each_way(making, tmp_path):
    file = tmp_path / "made.jpg"
    file.write_bytes(encode(product(), Format.JPEG, source_type=source_type_for(making)))
    assert source_type(file) == source_type_of(file.read_bytes()) == source_type_for(making)


@pytest.mark.parametrize(
    ("format_", "options"),
    [
        ("jpeg", ()),
        # As attributes of one element, which other programs write.
        ("jpeg", ("-api", "Compact=Shorthand")),
        ("png", ()),
        ("webp", ()),
        ("tiff", ()),
    ],
)
def test_what_exiftool_wrote_is_read(format_, options, tmp_path):
    file = tmp_path / f"photograph.{format_}"
    product().save(file)
    assert source_type_of(file.read_bytes()) is None
    write_source_type(file, COMPOSITE, *options)
    assert source_type_of(file.read_bytes()) == COMPOSITE


def test_a_compressed_mark_is_read():
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp(COMPOSITE), zip=True)
    buffer = BytesIO()
    product().save(buffer, "PNG", pnginfo=info)
    assert COMPOSITE.encode() not in buffer.getvalue()
    assert source_type_of(buffer.getvalue()) == COMPOSITE


def test_a_mark_in_credentials_alone_is_read_and_xmp_is_believed_first():
    leaf, key, _ = make_chain()
    plain = BytesIO()
    product().save(plain, "JPEG")
    signed = signing(leaf, key).sign(plain.getvalue(), Format.JPEG)
    assert b"<rdf:RDF" not in signed
    assert source_type_of(signed) == TRAINED
    both = signing(leaf, key).sign(encode(product(), Format.JPEG, source_type=CAPTURE), Format.JPEG)
    assert source_type_of(both) == CAPTURE


def test_other_vocabularies_and_damaged_files_say_nothing():
    other = encode(product(), Format.PNG, source_type="https://example.com/terms/own")
    assert source_type_of(other) is None
    damaged = b"\x89PNG\r\n\x1a\n" + b"XML:com.adobe.xmp" + bytes(100)
    assert source_type_of(damaged) is None


def test_transparency_is_kept_with_the_mark():
    picture = Image.new("RGBA", (16, 16), (200, 0, 0, 100))
    body = encode(picture, Format.PNG, source_type=ENHANCED)
    with Image.open(BytesIO(body)) as opened:
        assert opened.getpixel((3, 3)) == (200, 0, 0, 100)
    assert source_type_of(body) == ENHANCED
