"""What requests say of photographs, and what answers say of images that are made of them."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

from api.schemas.form_json import reader_of_json
from api.schemas.parameters import Line
from core.domain.photograph_spec import Anchor, Shadow
from core.egress.url import LONGEST

PhotographReference = Annotated[
    Line,
    Field(max_length=LONGEST),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "format": "uuid"},
                {"type": "string", "pattern": "^[0-9a-f]{64}$"},
                {
                    "type": "string",
                    "format": "uri",
                    "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://",
                    "maxLength": LONGEST,
                },
            ]
        }
    ),
]
_SOURCE = "^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{64})$"
SentPhotographs = Annotated[
    dict[int, Annotated[str, Field(pattern=_SOURCE)]],
    BeforeValidator(reader_of_json('Photographs are sent as JSON, such as {"2": "<id>"}')),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": "^[1-9][0-9]{0,8}$"},
            "additionalProperties": {"type": "string", "pattern": _SOURCE},
        }
    ),
]


class FinishFields(BaseModel):
    """How the product of a photograph is shown."""

    background: Line | None = Field(
        None,
        max_length=40,
        description="What a cut-out stands on: white (default), transparent, or a colour such as "
        "#f4f1ea.",
    )
    shadow: Shadow | None = Field(
        None,
        description="none (default of cut-outs), contact (default of scenes): a soft one beneath "
        "the product, or own: the photograph's, where it can be told from the backdrop.",
    )
    anchor: Anchor | None = Field(
        None,
        description="centre (default), or ground (default of scenes): products stand on the "
        "ground line.",
    )
    fill: float | None = Field(
        None,
        gt=0,
        le=1,
        description="What the product takes of the canvas, along the side that it fills first; "
        "0.85 where nothing is said, 0.62 in scenes.",
    )
    margin: float | None = Field(
        None, ge=0, lt=0.5, description="What stays free on every side; 0.03 by default."
    )
    ground_line: float | None = Field(
        None,
        gt=0,
        le=1,
        description="How far down products stand that are anchored to the ground; 0.92 by default, "
        "0.86 in scenes.",
    )
    enlarge: bool | None = Field(
        None,
        description="Whether the product may get more pixels than its photograph has of it; "
        "without it a small photograph gives a small product.",
    )
    strength: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Of an edit, how far the photograph is drawn anew: the share of the schedule "
        "that is run over it, 0.6 by default; 1 leaves nothing of it but what a mask keeps. Of a "
        "scene with `blend` the same of the background around the product, 0.8 by default.",
    )
    blend: bool | None = Field(
        None,
        description="Of a scene, whether the model draws once more around the product, which it "
        "sees, so that light, shadow and ground suit it; the product's own pixels are put back. "
        "What grew is drawn with another seed, then refused.",
    )


class PhotographView(BaseModel):
    """A photograph, and what is wanted of it."""

    source: str = Field(
        description="The SHA-256 of its bytes, hex, or the address it is fetched from."
    )
    mask: str | None = Field(None, description="The same of its mask.")
    background: str
    shadow: Shadow
    anchor: Anchor
    fill: float
    margin: float
    ground_line: float
    enlarge: bool
    strength: float = Field(
        0.0,
        description="Of an edit, which has no placement, the share of the schedule that is run; "
        "of a blend the same; of others 0.",
    )
    blend: bool = Field(False, description="Whether the model drew around the product.")


class QualityView(BaseModel):
    """How far the product is the photograph's own, and whether a person should look."""

    needs_review: bool = Field(
        description="Whether a person should look before it is published: the cut-out may be wrong."
    )
    confidence: float | None = Field(
        None,
        description="Of the cut-out, from 0 to 1; below 0.5 it needs review. Null, as is what else "
        "is said of cut-outs, where nothing was cut out: of an edit.",
    )
    reasons: list[str] = Field(
        description="Why it is not 1: touches_frame, several_parts, holes, faint_edge."
    )
    method: str | None = Field(
        None,
        description="What told the product from its background: mask, alpha, backdrop or network.",
    )
    scale: float | None = Field(
        None, description="Pixels of the image for one of the photograph's."
    )
    box: list[int] | None = Field(
        None,
        min_length=4,
        max_length=4,
        description="Around the product without its shadow: left, top, right and bottom, in pixels "
        "of the image, the last two the first beyond it; null in older images and edits.",
    )
    identical: bool | None = Field(
        None,
        description="Whether the product, a pixel inside of its edge, has the placed photograph's "
        "own pixels in the stored file: the two digests are equal. Of an edit with a mask, the "
        "same of all that its mask keeps; null without one.",
    )
    compared_pixels: int | None = Field(None, description="Pixels that the digests are of.")
    source_digest: str | None = Field(
        None,
        description="SHA-256, hex, of the placed product's pixels there: RGB, row by row; of an "
        "edit, of what of the photograph is kept.",
    )
    result_digest: str | None = Field(None, description="The same of the stored file, decoded.")
    source: str = Field(
        description="Where the photograph came from: kept (it was in store), fetched, unchanged "
        "(its server said so), valid (nobody had to be asked)."
    )
    cutout: str | None = Field(
        None, description="Whether it was cut out for this image: computed, or cached."
    )
    source_type: str | None = Field(
        None,
        description="The digital source type that the image's file is marked as: what was done, or "
        "what the photograph said of itself if that is more; null in older images.",
    )
    notes: list[str] = Field(description="What is good to know, in sentences.")
    background: str | None = Field(
        None,
        description="Of a scene, whether its background was drawn for it: computed, shared (for "
        "another one at the same moment), or cached.",
    )
    tries: int | None = Field(
        None,
        description="Of a scene with `blend`, how many seeds it took until the product was no "
        "larger than it was placed.",
    )
    expansion: float | None = Field(
        None,
        description="Of a scene, the share of the product's area by which it is larger than it was "
        "placed; above 0.01 there is no image (`product_changed`).",
    )
