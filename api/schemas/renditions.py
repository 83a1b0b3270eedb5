"""The JSON of renditions, and how requests name channels and files."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, WithJsonSchema

from catalogue.channels import PRESETS, UnknownChannelError, find_channel


def _listed(value: Any) -> Any:
    """Take `walmart, web` too: a form has no lists."""
    return [one for one in value.split(",") if one.strip()] if isinstance(value, str) else value


def _known(names: list[str]) -> list[str]:
    try:
        found = [find_channel(name).name for name in names]
    except UnknownChannelError as error:
        raise ValueError(str(error)) from error
    return list(dict.fromkeys(found))


_NAMES = [
    name
    for base, preset in PRESETS.items()
    for name in (base, *(f"{base}.{one}" for one in preset.formats))
]
Channels = Annotated[
    list[str],
    BeforeValidator(_listed),
    AfterValidator(_known),
    WithJsonSchema({"type": "array", "items": {"type": "string", "enum": _NAMES}}),
]
"""Names of channels, each once."""
ChannelName = Annotated[str, WithJsonSchema({"type": "string", "enum": _NAMES})]
KnownChannel = Annotated[ChannelName, AfterValidator(lambda name: _known([name])[0])]


class RenditionLink(BaseModel):
    """Where a job's image is as a channel wants it."""

    channel: str = Field(description="Its name, as in `web` or `web.avif`.")
    file_name: str = Field(description="What it is called, each once in its batch and channel.")
    content_type: str
    url: str = Field(description="Path on this server; needs the key.")
    public_url: str | None = Field(
        description="Needs no key and has no query string; it works until the image is deleted. "
        "null: there is no image yet."
    )
    ground: str | None = Field(
        None,
        description="`white`: its background is exactly 255, 255, 255; `kept`: as drawn; null: it "
        "is not made yet.",
    )
    upscaled: float | None = Field(
        None, description="By how much, where the channel's minimum asked for it; null: not."
    )
    fill: float | None = Field(
        None, description="Share of the frame's side that the product takes; null: as drawn."
    )
    note: str | None = Field(
        None, description="Where it falls short of what the channel wants, in a sentence."
    )


class RenditionView(RenditionLink):
    """One rendition, as it stands."""

    made: bool = Field(description="Whether it is in store; else the first download makes it.")
    digest: str | None = Field(None, description="SHA-256 of the bytes, hex; also the ETag.")
    size: int | None = Field(None, description="Bytes.")
    width: int | None = None
    height: int | None = None


class RenditionList(BaseModel):
    """A job's image, by channel."""

    items: list[RenditionView]
