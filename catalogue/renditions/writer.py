"""A rendition's file: the best within its channel's bytes, marked as the image that it is of."""

import hashlib
from dataclasses import dataclass
from typing import Self

from PIL import Image

from catalogue.channels import Channel
from core.pictures.credentials import MOST_BYTES as SIGNATURE_BYTES
from core.pictures.credentials import Credentials, Ingredient
from core.pictures.encoding import QUALITY, encode
from core.pictures.formats import ORIGINAL, Format
from core.pictures.opening import open_alpha, open_rgb
from core.pictures.provenance import TRAINED, source_type_of

WORST_QUALITY = 40
"""Below it a smaller picture is the better one."""


def rewrite(
    original: bytes, format_: Format, *, quality: int | None, credentials: Credentials | None
) -> bytes:
    """Write a stored image in another format, marked as it is.

    Args:
        original: The stored file.
        format_: What to write; what has no transparency gets white.
        quality: 0 to 100; None: `QUALITY`.
        credentials: What signs the file; None: it is not signed.

    Raises:
        InvalidImageError: The stored file is no image that can be read.
    """
    source_type = source_type_of(original) or TRAINED
    picture = open_rgb(original)
    if format_ is not Format.JPEG and (alpha := open_alpha(original)) is not None:
        picture.putalpha(alpha)
    return encode(
        picture,
        format_,
        quality=QUALITY if quality is None else quality,
        credentials=credentials,
        source_type=source_type,
        ingredient=None if source_type == TRAINED else _ingredient(original, credentials),
    )


def _ingredient(original: bytes, credentials: Credentials | None) -> Ingredient:
    return Ingredient(
        title=ORIGINAL,
        content_type=Format.PNG.content_type,
        digest=hashlib.sha256(original).hexdigest() if credentials else "",
        is_part=False,
    )


@dataclass(frozen=True, kw_only=True)
class Writer:
    """Writes pictures for one channel."""

    channel: Channel
    credentials: Credentials | None
    source_type: str
    """The original's digital source type."""
    original: Ingredient

    @classmethod
    def of(cls, original: bytes, channel: Channel, credentials: Credentials | None) -> Self:
        """Take the mark over from the original."""
        return cls(
            channel=channel,
            credentials=credentials,
            # What was stored before anything else could be made was made by a model.
            source_type=source_type_of(original) or TRAINED,
            original=_ingredient(original, credentials),
        )

    def write(self, picture: Image.Image) -> bytes | None:
        """Write the best file within the channel's bytes; None: there is none."""
        limit = self.channel.preset.max_bytes - (SIGNATURE_BYTES if self.credentials else 0)
        body = self._best(picture, limit)
        if body is None or self.credentials is None:
            return body
        return self.credentials.sign(
            body,
            self.channel.format,
            source_type=self.source_type,
            # A generated picture was created here, in whatever size.
            ingredient=None if self.source_type == TRAINED else self.original,
        )

    def _best(self, picture: Image.Image, limit: int) -> bytes | None:
        """Find the best quality whose file is within the limit; None: none is."""
        format_ = self.channel.format
        body = encode(picture, format_, source_type=self.source_type)
        if len(body) <= limit or not format_.lossy:
            return body if len(body) <= limit else None
        best = None
        low, high = WORST_QUALITY, QUALITY - 1
        while low <= high:
            quality = (low + high) // 2
            body = encode(picture, format_, quality=quality, source_type=self.source_type)
            if len(body) <= limit:
                best, low = body, quality + 1
            else:
                high = quality - 1
        return best
