"""Whose watermark images get, and which ones: decided here, written by `core.pictures.watermark`.

NumPy is loaded with the first picture that is marked: the API starts without it.
"""

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.pictures.provenance import COMPOSITE, TRAINED
from core.settings import Settings

if TYPE_CHECKING:
    from core.pictures.watermark.code import Payload
    from core.pictures.watermark.embedding import Mask, Pixels

PUBLIC_KEY = b"packshot"
"""Of deployments without a secret: everybody can read their marks."""


@dataclass(frozen=True, kw_only=True)
class Watermark:
    """A deployment's; any thread may use it."""

    key: bytes

    def mark(
        self,
        pixels: "Pixels",
        *,
        source_type: str,
        fingerprint: str,
        keep: "Mask | None" = None,
    ) -> "Pixels":
        """Return an image with its watermark; the same arguments give the same pixels.

        Args:
            pixels: (height, width, 3), sRGB.
            source_type: The image's digital source type.
            fingerprint: The image's, hex: the mark names its first 40 bits.
            keep: (height, width), where nothing is changed; None: nowhere.

        Returns:
            (height, width, 3); as it came where a machine drew nothing of it, or where it is too
            small (`core.pictures.watermark.embedding.has_room`).
        """
        from core.pictures.watermark.embedding import embed  # noqa: PLC0415

        payload = _payload(source_type, fingerprint)
        return embed(pixels, payload, self.key, keep=keep) if payload else pixels

    def lift(self, pixels: "Pixels", *, source_type: str, fingerprint: str) -> "Pixels":
        """Return an image without the watermark that `mark` wrote; as it came where it has none.

        Args:
            pixels: (height, width, 3), kept without loss.
            source_type: The image's digital source type.
            fingerprint: The image's, hex.
        """
        from core.pictures.watermark.embedding import lift  # noqa: PLC0415

        payload = _payload(source_type, fingerprint)
        return lift(pixels, payload, self.key) if payload else pixels


@dataclass(frozen=True, kw_only=True)
class ImageWatermark:
    """The watermark of one image."""

    watermark: Watermark
    fingerprint: str

    def mark(self, pixels: "Pixels", source_type: str, keep: "Mask | None") -> "Pixels":
        """Return a picture of the image with it: see `Watermark.mark`."""
        return self.watermark.mark(
            pixels, source_type=source_type, fingerprint=self.fingerprint, keep=keep
        )

    def lift(self, pixels: "Pixels", source_type: str) -> "Pixels":
        """Return the image without it: see `Watermark.lift`."""
        return self.watermark.lift(pixels, source_type=source_type, fingerprint=self.fingerprint)


def _payload(source_type: str, fingerprint: str) -> "Payload | None":
    """Return what an image's mark says; None: a machine drew nothing of it."""
    from core.pictures.watermark.code import Kind, Payload  # noqa: PLC0415

    kind = {TRAINED: Kind.GENERATED, COMPOSITE: Kind.COMPOSED}.get(source_type)
    return Payload(kind=kind, reference=fingerprint[:10]) if kind else None


def watermark_of(settings: Settings) -> Watermark | None:
    """Return what the settings ask for; None: images get no watermark."""
    return Watermark(key=watermark_key(settings)) if settings.watermark else None


def watermark_key(settings: Settings) -> bytes:
    """Return the key of a deployment's marks."""
    secret = settings.watermark_secret
    return derive_key(secret.get_secret_value() if secret else "")


def derive_key(secret: str) -> bytes:
    """Return the key of a secret; without one it is `PUBLIC_KEY`."""
    if not secret:
        return PUBLIC_KEY
    return hashlib.blake2b(secret.encode(), digest_size=32, person=b"watermark").digest()
