"""What clients of OpenAI's images API send, and what is answered."""

import re
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from api.schemas.parameters import Prompt, Seed, Text
from api.schemas.requests import ModelName
from api.schemas.strict import StrictModel
from core.pictures.formats import Format

MOST_IMAGES = 10
"""Of one request, as OpenAI has it."""
AUTO = "auto"

_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")

OutputFormat = Literal[Format.PNG, Format.JPEG, Format.WEBP]


def _size(value: str) -> str:
    if value != AUTO and _SIZE.fullmatch(value) is None:
        raise ValueError("Write WIDTHxHEIGHT in pixels, such as 512x512, or auto.")
    return value


def _no_stream(value: bool | None) -> bool | None:
    if value:
        raise ValueError(
            "Nothing is streamed here. Leave it out: the answer comes when the images are ready."
        )
    return value


def _no_parts(value: int | None) -> int | None:
    if value:
        raise ValueError("There are no partial images here, as nothing is streamed. Leave it out.")
    return value


class GenerationRequest(StrictModel):
    """`POST images/generations`."""

    prompt: Prompt | None = None
    model: ModelName | None = None
    n: int | None = Field(None, ge=1, le=MOST_IMAGES)
    size: Annotated[str, AfterValidator(_size)] | None = None
    quality: Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"] | None = (
        None
    )
    background: Literal["auto", "opaque", "transparent"] | None = None
    output_format: OutputFormat | None = None
    output_compression: int | None = Field(None, ge=0, le=100)
    response_format: Literal["b64_json", "url"] | None = None
    stream: Annotated[bool | None, AfterValidator(_no_stream)] = None
    partial_images: Annotated[int | None, AfterValidator(_no_parts)] = None

    # Of packshot: a client's `extra_body`.
    negative_prompt: Text | None = None
    seed: Seed | None = None

    # They say nothing here, and clients send them.
    moderation: Literal["auto", "low"] | None = None
    style: Literal["vivid", "natural"] | None = None
    input_fidelity: Literal["high", "low"] | None = None
    user: Text | None = None
    safety_identifier: Text | None = None

    @property
    def sides(self) -> tuple[int | None, int | None]:
        """Return width and height, in pixels; None: nobody says them."""
        found = _SIZE.fullmatch(self.size or AUTO)
        return (int(found[1]), int(found[2])) if found else (None, None)


class EditRequest(GenerationRequest):
    """The fields of `POST images/edits`, beside its files."""

    # Of packshot, too.
    mode: Literal["edit", "scene", "cutout"] | None = None
    strength: float | None = Field(None, gt=0, le=1)


class Answering(BaseModel):
    """What is waited for, and how it is answered: kept for an Idempotency-Key."""

    jobs: list[UUID]
    output_format: Format
    output_compression: int | None
    as_url: bool
    background: Literal["opaque", "transparent"]


class ImageData(BaseModel):
    """One image, or where it is."""

    b64_json: str | None = None
    url: str | None = None
    job: UUID
    """What `GET /v1/jobs/{job_id}` tells more of."""


class ImagesDocument(BaseModel):
    """Images as OpenAI's clients read them."""

    created: int
    data: list[ImageData]
    background: Literal["opaque", "transparent"]
    output_format: Format
    size: str


def model_document(name: str, created: int) -> dict[str, Any]:
    """Write one model as OpenAI's clients read it."""
    return {"id": name, "object": "model", "created": created, "owned_by": "packshot"}
