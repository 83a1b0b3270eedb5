"""Renditions that are known to be wanted, made while the image is at hand."""

from collections.abc import Sequence

import structlog

from catalogue.channels import UnknownChannelError, find_channel
from catalogue.renditions.store import Renditions
from core.db.models import Image
from core.errors import first_line

log = structlog.get_logger(__name__)


def make_known(
    renditions: Renditions, image: Image, channels: Sequence[str], original: bytes
) -> None:
    """Make what the first who asked wants of an image that is recorded.

    Whatever goes wrong is only logged: what is not there is made when somebody asks for it, who is
    told why if it cannot be.
    """
    for name in channels:
        try:
            renditions.get(image, find_channel(name), lambda: original)
        except UnknownChannelError:
            log.warning("rendition not made: this version has no such channel", channel=name)
        except Exception as error:  # S3, Postgres, or an image that does not suit the channel
            log.warning("rendition not made yet", channel=name, reason=first_line(error))
