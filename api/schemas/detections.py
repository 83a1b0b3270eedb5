"""The JSON of what was found in an image."""

from uuid import UUID

from pydantic import BaseModel, Field

from core.pictures.marks import Carrier, Confidence, Origin
from core.pictures.provenance import AiUse


class SignerView(BaseModel):
    """Whose certificate signed, by what the certificate says; no authority was asked."""

    organisation: str
    name: str
    serial: str = Field(description="Number of the certificate, decimal.")


class MarkView(BaseModel):
    """One mark."""

    carrier: Carrier = Field(
        description="xmp: the IPTC's digital source type in metadata; c2pa: content credentials; "
        "watermark: the pixels."
    )
    confidence: Confidence = Field(
        description="stated: anybody can write it; signed: the signature fits, and the file is as "
        "it was signed; broken: it was changed since; measured: `chance` says how sure it is."
    )
    origin: Origin = Field(
        description="this_deployment: it has the secret of this deployment's watermarks, or the "
        "names and number of its certificate; other: another's certificate; unknown: nothing tells."
    )
    source_type: str | None = Field(
        description="What it says: a term of the IPTC's digital source types, as an address."
    )
    signer: SignerView | None
    generator: str | None = Field(description="The program that says that it made the file.")
    chance: float | None = Field(
        description="Share of unmarked pictures, at most, in which such a watermark is found."
    )
    reference: str | None = Field(
        description="First ten hexadecimal digits of the image's fingerprint, as its watermark "
        "says them; null: there is none, or too little is left of it to be read."
    )


class DetectionView(BaseModel):
    """What an image's marks say of how it was made."""

    content_type: str = Field(description="The media type, told by the bytes.")
    width: int
    height: int
    ai_use: AiUse | None = Field(
        description="How much a machine made of it, by the strongest of the marks; null: no mark "
        "says anything, which proves nothing."
    )
    marks: list[MarkView]
    notes: list[str] = Field(description="Sentences on what could not be looked at.")
    job_id: UUID | None = Field(
        description="The newest job with the image that a watermark names, if the key's tenant has "
        "one and the image still answers requests."
    )
