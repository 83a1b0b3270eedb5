"""The files that a publish run uploads: images as they were made, or a channel's renditions."""

from collections.abc import Callable
from dataclasses import dataclass

from catalogue.channels import Channel, UnknownChannelError, find_channel
from catalogue.renditions.store import Renditions
from core.db.models import Image
from core.errors import NotFoundError, PackshotError
from core.storage import Storage
from ops.publishing.store import StoreRefusedError


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files of one run."""

    storage: Storage
    renditions: Callable[[], Renditions]
    channel: str | None
    """None: images as they were made."""

    def read(self, image: Image) -> tuple[str, bytes]:
        """Return the content type of an image's file, and its bytes.

        Raises:
            NotFoundError: It is not in S3 any more.
            StoreRefusedError: It cannot be made into what the channel wants.
            InvalidSettingError: What signs renditions cannot be read.
        """
        channel = channel_of_run(self.channel)
        if channel is None:
            return image.content_type, self.storage.read(image)
        renditions = self.renditions()
        try:
            rendition, body = renditions.read(image, channel)
        except NotFoundError:
            raise
        except PackshotError as error:
            raise StoreRefusedError(error.detail) from error
        return rendition.content_type, body


def channel_of_run(name: str | None) -> Channel | None:
    """Find the channel that a run was asked for.

    Raises:
        StoreRefusedError: This version of packshot does not know it any more.
    """
    try:
        return None if name is None else find_channel(name)
    except UnknownChannelError as error:
        raise StoreRefusedError(str(error)) from error
