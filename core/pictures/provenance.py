"""What says in a file how its image was made: the IPTC's digital source type, in XMP.

Since 2026-08-02 the EU AI Act (Art. 50(2)) wants generated images marked so that machines see it,
and Google's Merchant Center wants this very tag. Every re-save drops it, so it is written each
time a file is, whatever the step (`core.pictures.encoding`).
"""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from io import BytesIO

VOCABULARY = "http://cv.iptc.org/newscodes/digitalsourcetype/"
"""What the addresses of the IPTC's terms begin with."""

_NAMESPACE = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"


class Making(StrEnum):
    """How packshot made an image; the values are those of a request's mode."""

    TEXT = "text"
    """A model drew all of it."""
    EDIT = "edit"
    """A model drew a photograph anew, or a part of it."""
    SCENE = "scene"
    """A photograph's product, its own pixels, stands in what a model drew."""
    CUTOUT = "cutout"
    """A photograph's product, its own pixels, was cut out and placed; no model drew anything."""


TRAINED = f"{VOCABULARY}trainedAlgorithmicMedia"
"""A trained model made it."""
COMPOSITE = f"{VOCABULARY}compositeWithTrainedAlgorithmicMedia"
"""Something that a trained model made is a part of it."""
ENHANCED = f"{VOCABULARY}algorithmicallyEnhanced"
"""A photograph that an algorithm corrected."""

_OWN: Mapping[Making, str] = {
    Making.TEXT: TRAINED,
    Making.EDIT: COMPOSITE,
    Making.SCENE: COMPOSITE,
    Making.CUTOUT: ENHANCED,
}

_PHOTOGRAPHED = frozenset(
    VOCABULARY + term
    for term in (
        "digitalCapture",
        "computationalCapture",
        "negativeFilm",
        "positiveFilm",
        "print",
        "humanEdits",
        "minorHumanEdits",
        "algorithmicallyEnhanced",
        "compositeCapture",
    )
)
"""Terms that say that a camera saw all of it, and so less than `ENHANCED` does."""


def source_type_for(making: Making | str, source: str | None = None) -> str:
    """Return what a file is marked as: what was done, or what its photograph says already.

    Nothing that a photograph says of a machine's part in it is lost: the stronger of the two stays.

    Args:
        making: How the image was made.
        source: The digital source type of the photograph that it was made of; None: it has none.

    Returns:
        A term's address.

    Raises:
        ValueError: There is no such way to make one.
    """
    own = _OWN[Making(making)]
    if source is None or source in _PHOTOGRAPHED or own == TRAINED:
        return own
    if own == ENHANCED or source == TRAINED:
        # Whatever else it says of itself, drawn, composed or generated, is true of what was cut
        # out of it; and of a generated product before a generated background nothing is left of
        # a camera's.
        return source
    return own


class AiUse(StrEnum):
    """How much of an image a machine that was trained made, as forms of market-places ask it."""

    NONE = "none"
    """Nothing: a photograph, or one whose product was cut out."""
    EDITED = "edited"
    """A photograph, of which a part was drawn anew."""
    COMPOSED = "composed"
    """Something that was photographed among what was drawn."""
    GENERATED = "generated"
    """All of it."""


_COMPOSITES = frozenset({COMPOSITE, f"{VOCABULARY}compositeSynthetic"})


def ai_use_of(source_type: str, making: Making | str | None = None) -> AiUse:
    """Return how much of an image a machine made, by its mark.

    Args:
        source_type: Its digital source type.
        making: How it was made; None: nobody knows.
    """
    if source_type == TRAINED:
        return AiUse.GENERATED
    if source_type in _COMPOSITES:
        # The vocabulary has one term for both.
        return AiUse.EDITED if making == Making.EDIT else AiUse.COMPOSED
    return AiUse.NONE


def is_photographed(source_type: str | None) -> bool:
    """Check whether a mark leaves a photograph one: nothing in it was drawn, by whomever.

    What has no mark is none, as far as anybody can tell: packshot marks every file.
    """
    return source_type in _PHOTOGRAPHED


def xmp(source_type: str) -> str:
    """Return the packet that says so (XMP part 1, ISO 16684-1), as text.

    Args:
        source_type: A term's address; it needs no escaping.
    """
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="{_NAMESPACE}">'
        f"<Iptc4xmpExt:DigitalSourceType>{source_type}</Iptc4xmpExt:DigitalSourceType>"
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
        '<?xpacket end="r"?>'
    )


_TERM = rb"https?://cv\.iptc\.org/newscodes/digitalsourcetype/([A-Za-z]{1,60})"
# As an element, an attribute or a resource, whatever its prefix; programs write all of them.
_IN_XMP = re.compile(rb"Digital[Ss]ource[Tt]ype[^<]{0,200}?" + _TERM)
# In the actions of content credentials (C2PA), which are CBOR: between the two is a length.
_IN_CREDENTIALS = re.compile(rb"digitalSourceType[^<]{1,9}?" + _TERM)


def source_type_of(body: bytes) -> str | None:
    """Read the digital source type from a file of any format that is read.

    XMP packets lie in files as they are, so that simple programs find them by looking through the
    bytes (XMP part 3), and so do content credentials: this does the same, and needs no reader of
    the format. Only PNG may have them compressed. Where there is XMP it is believed; generators
    that write credentials alone are found by those.

    Returns:
        A term's address in the IPTC's vocabulary, the strongest where there are several; None:
        the file has none.
    """
    return source_type_in_xmp(body) or _found(_IN_CREDENTIALS, body)


def source_type_in_xmp(body: bytes) -> str | None:
    """Read the digital source type from a file's XMP alone: see `source_type_of`."""
    return _found(_IN_XMP, body) or _found(_IN_XMP, _packed(body))


def strongest(source_types: Iterable[str]) -> str | None:
    """Return the term that says most of a machine's part; None: there is none."""
    return max(source_types, key=_strength, default=None)


def _found(pattern: re.Pattern[bytes], body: bytes) -> str | None:
    return strongest(VOCABULARY + term.decode() for term in pattern.findall(body))


def _strength(source_type: str) -> tuple[int, str]:
    """Order terms by how much of an image a machine made, and then by name."""
    if source_type == TRAINED:
        return 3, source_type
    if source_type == COMPOSITE:
        return 2, source_type
    return int(source_type not in _PHOTOGRAPHED), source_type


def _packed(body: bytes) -> bytes:
    """Return the XMP that a PNG has compressed; nothing where there is none."""
    if not body.startswith(b"\x89PNG") or b"XML:com.adobe.xmp" not in body:
        return b""
    # Loads Pillow's readers: those who only ask a file of ours need none.
    from PIL import Image  # noqa: PLC0415

    try:
        with Image.open(BytesIO(body), formats=("PNG",)) as opened:
            packet = opened.info.get("xmp", b"")
    except (OSError, ValueError, SyntaxError):
        return b""
    return packet if isinstance(packet, bytes) else b""
