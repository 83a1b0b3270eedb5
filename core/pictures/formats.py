"""The file formats that packshot writes."""

from enum import StrEnum


class Format(StrEnum):
    """One of them, by the name that callers use."""

    JPEG = "jpeg"
    PNG = "png"
    """Without loss; so are originals stored."""
    WEBP = "webp"
    AVIF = "avif"

    @property
    def content_type(self) -> str:
        """Return the media type."""
        return f"image/{self.value}"

    @property
    def extension(self) -> str:
        """Return what file names end with, without a dot."""
        return "jpg" if self is Format.JPEG else self.value

    @property
    def lossy(self) -> bool:
        """Return whether a quality decides how large the file is."""
        return self is not Format.PNG


EXTENSIONS = {one.content_type: one.extension for one in Format}
"""What file names end with, by media type."""

ORIGINAL = "original"
"""What the model's own file is called, where the others are called by their sales channel."""
