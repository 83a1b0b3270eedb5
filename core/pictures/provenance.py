"""What marks a file as made by a model: the IPTC's tag in XMP, for every file.

Since 2026-08-02 the EU AI Act (Art. 50(2)) wants generated images marked so that machines see it,
and Google's Merchant Center wants this very tag. Every re-save drops it, so it is written each
time a file is, whatever the step (`core.pictures.encoding`).
"""

import re

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""The IPTC's digital source type of images that a trained model made."""

_NAMESPACE = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"

XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    f'<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="{_NAMESPACE}">'
    f"<Iptc4xmpExt:DigitalSourceType>{SOURCE_TYPE}</Iptc4xmpExt:DigitalSourceType>"
    "</rdf:Description></rdf:RDF></x:xmpmeta>"
    '<?xpacket end="r"?>'
)
"""The packet (XMP part 1, ISO 16684-1), as text."""

_TAG = re.compile(
    rb"<Iptc4xmpExt:DigitalSourceType>\s*([^<\s]+)\s*</Iptc4xmpExt:DigitalSourceType>"
)


def source_type_of(body: bytes) -> str | None:
    """Read the digital source type from a file of any format that packshot writes.

    XMP packets lie in files as they are, so that simple programs find them by looking through the
    bytes (XMP part 3): so does this, and it needs no reader of the format.
    """
    found = _TAG.search(body)
    return found[1].decode("ascii", errors="replace") if found else None
