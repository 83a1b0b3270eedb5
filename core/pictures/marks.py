"""Marks of machines in files from outside: what each says, whose it is, and what it is worth."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from io import BytesIO
from typing import TYPE_CHECKING, Any, Self

from core.pictures.credentials import Credentials
from core.pictures.credentials_reading import (
    CredentialsState,
    FileCredentials,
    Signer,
    read_credentials,
)
from core.pictures.headers import MOST_PIXELS, read_header
from core.pictures.marking import PUBLIC_KEY, watermark_key
from core.pictures.provenance import (
    COMPOSITE,
    TRAINED,
    AiUse,
    ai_use_of,
    source_type_in_xmp,
    strongest,
)
from core.settings import Settings

if TYPE_CHECKING:
    from core.pictures.watermark.embedding import Pixels


class Carrier(StrEnum):
    """What a mark is in."""

    XMP = "xmp"
    """Metadata: the IPTC's digital source type."""
    C2PA = "c2pa"
    """Content credentials."""
    WATERMARK = "watermark"
    """The pixels."""


class Confidence(StrEnum):
    """What a mark is worth."""

    STATED = "stated"
    """The file says so, as anybody could have it say."""
    SIGNED = "signed"
    """The signature fits, and the file is as it was signed."""
    BROKEN = "broken"
    """The file was changed since it was signed, or the credentials are damaged."""
    MEASURED = "measured"
    """The pixels show it; `chance` bounds how often those of an unmarked picture do."""


class Origin(StrEnum):
    """Whose a mark is."""

    THIS = "this_deployment"
    """It has this deployment's secret, or the names and number of its certificate."""
    OTHER = "other"
    """It has another's certificate."""
    UNKNOWN = "unknown"
    """Nothing tells: metadata is signed by nobody, and the public key of watermarks is everybody's
    who has no secret."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One mark."""

    carrier: Carrier
    confidence: Confidence
    origin: Origin
    source_type: str | None = None
    """What it says: a term's address in the IPTC's vocabulary; None: nothing of that."""
    signer: Signer | None = None
    generator: str | None = None
    """The program that says that it made the file."""
    chance: float | None = None
    """The share of unmarked pictures, at most, in which such a watermark is found."""
    reference: str | None = None
    """The first ten hexadecimal digits of the image's fingerprint."""


@dataclass(frozen=True, kw_only=True)
class Marks:
    """All that was found in a file."""

    content_type: str
    width: int
    height: int
    marks: tuple[Mark, ...]
    notes: tuple[str, ...] = ()
    """Sentences on what was not looked at."""

    @property
    def ai_use(self) -> AiUse | None:
        """Return what the strongest mark says; None: no mark says anything.

        Broken credentials count: whoever changed a file had nothing to win by them.
        """
        said = strongest(one.source_type for one in self.marks if one.source_type)
        return ai_use_of(said) if said else None

    def document(self) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        return asdict(self) | {"ai_use": self.ai_use}


@dataclass(frozen=True, kw_only=True)
class MarkReader:
    """Reads marks as a deployment sees them; it can be sent to another process."""

    key: bytes
    """Of the deployment's watermark."""
    signer: Signer | None = None
    """Who signs the deployment's files; None: nobody."""

    @classmethod
    def of(cls, settings: Settings, credentials: Credentials | None) -> Self:
        """Make that of a deployment; a switched-off watermark is looked for as well.

        Args:
            settings: Its settings.
            credentials: What signs its files; None: nothing does.
        """
        return cls(key=watermark_key(settings), signer=credentials.signer if credentials else None)

    def read(self, body: bytes, *, most_pixels: int = MOST_PIXELS) -> Marks:
        """Read a file's marks.

        Args:
            body: The file.
            most_pixels: Larger pictures are refused.

        Raises:
            InvalidImageError: It is no image, a damaged, moving, too small or too large one.
        """
        header = read_header(BytesIO(body), most_pixels=most_pixels)
        # Of all of it, so that nothing is said of a file whose end is missing.
        pixels = _pixels(body, most_pixels)
        notes: list[str] = []
        marks = [*_in_xmp(body), *self._in_credentials(body, header.content_type, notes)]
        marks += self._in_pixels(pixels, notes)
        return Marks(
            content_type=header.content_type,
            width=header.width,
            height=header.height,
            marks=tuple(marks),
            notes=tuple(notes),
        )

    def _in_credentials(self, body: bytes, content_type: str, notes: list[str]) -> list[Mark]:
        found = read_credentials(body, content_type)
        if found is None:
            return []
        if found.state is CredentialsState.ELSEWHERE:
            notes.append(
                "The file names an address for its content credentials, which is not fetched."
            )
            return []
        is_whole = found.state is CredentialsState.WHOLE
        return [
            Mark(
                carrier=Carrier.C2PA,
                confidence=Confidence.SIGNED if is_whole else Confidence.BROKEN,
                origin=self._origin_of(found),
                source_type=found.source_type,
                signer=found.signer,
                generator=found.generator,
            )
        ]

    def _origin_of(self, found: FileCredentials) -> Origin:
        if found.signer is None:
            return Origin.UNKNOWN
        return Origin.THIS if found.signer == self.signer else Origin.OTHER

    def _in_pixels(self, pixels: "Pixels", notes: list[str]) -> list[Mark]:
        from core.pictures.watermark.code import Kind  # noqa: PLC0415
        from core.pictures.watermark.detection import LEAST_SIDE, detect  # noqa: PLC0415

        if min(pixels.shape[:2]) < LEAST_SIDE:
            notes.append(
                f"No watermark was looked for: it needs {LEAST_SIDE} pixels on the shorter side."
            )
            return []
        marks = []
        for key in dict.fromkeys((self.key, PUBLIC_KEY)):
            if found := detect(pixels, key):
                said, terms = found.payload, {Kind.GENERATED: TRAINED, Kind.COMPOSED: COMPOSITE}
                mark = Mark(
                    carrier=Carrier.WATERMARK,
                    confidence=Confidence.MEASURED,
                    origin=Origin.UNKNOWN if key == PUBLIC_KEY else Origin.THIS,
                    # What cannot be read any more was written because something was drawn.
                    source_type=terms[said.kind] if said else COMPOSITE,
                    chance=found.chance,
                    reference=said.reference if said else None,
                )
                marks.append(mark)
        return marks


def _in_xmp(body: bytes) -> list[Mark]:
    said = source_type_in_xmp(body)
    if said is None:
        return []
    return [
        Mark(
            carrier=Carrier.XMP,
            confidence=Confidence.STATED,
            origin=Origin.UNKNOWN,
            source_type=said,
        )
    ]


def _pixels(body: bytes, most_pixels: int) -> "Pixels":
    """Read a picture whole: (height, width, 3), white where it is transparent."""
    # Both load NumPy.
    import numpy as np  # noqa: PLC0415
    from PIL import Image  # noqa: PLC0415

    from core.pictures.photograph import read_photograph  # noqa: PLC0415

    picture = Image.fromarray(read_photograph(body, most_pixels=most_pixels).pixels)
    ground = Image.new("RGB", picture.size, "white")
    ground.paste(picture, mask=picture.getchannel("A"))
    return np.asarray(ground)
