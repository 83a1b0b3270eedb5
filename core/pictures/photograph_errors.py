"""Why a photograph cannot be used: each reason has a code and a sentence that says what to do."""

from core.errors import InvalidImageError


class UnreadablePhotographError(InvalidImageError):
    """The file is no image that can be read. Save it again as PNG or JPEG."""

    code = "photograph_unreadable"


class TruncatedPhotographError(InvalidImageError):
    """The file ends before the image does. Send it again, whole."""

    code = "photograph_truncated"
    retry_helps = True
    """The usual reason is a transfer that was cut off."""


class OversizedPhotographError(InvalidImageError):
    """The photograph is larger than is taken. Make it smaller."""

    code = "photograph_too_large"


class TinyPhotographError(InvalidImageError):
    """The photograph has too few pixels to show a product. Send a larger one."""

    code = "photograph_too_small"


class AnimatedPhotographError(InvalidImageError):
    """The file is an animation. Send one picture of it, as PNG or JPEG."""

    code = "photograph_animated"


class TransparentPhotographError(InvalidImageError):
    """Every pixel of the photograph is transparent. Send one that shows the product."""

    code = "photograph_transparent"
