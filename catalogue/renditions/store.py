"""Renditions in store: found, or made from the stored original, once for everybody.

A worker makes those that are known to be wanted when it has the image; whatever is not there is
made when somebody first asks for it. Two who make the same at the same moment get the same one.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from catalogue.channels import Channel
from core.db.engine import Database
from core.db.models import Image, Rendition
from core.errors import NotFoundError, PackshotError, StoredObjectLostError
from core.lifecycle import renditions
from core.pictures.credentials import Credentials
from core.pictures.formats import Format
from core.pictures.marking import ImageWatermark, Watermark
from core.storage import Storage

if TYPE_CHECKING:
    from catalogue.renditions.scene import Box

Get = Callable[[Image, Channel], Rendition]
"""Finds or makes a rendition."""

AT_ONCE = 2
"""Renditions that a process makes at the same time, if nobody says otherwise: each takes a core,
and some ten megabytes."""


WAITING = 8
"""Callers that may wait for a place where waiting keeps others from being served."""


class RenditionsBusyError(PackshotError):
    """Many renditions are being made; ask for this one again in a moment."""

    code = "renditions_busy"
    status = 503
    retry_helps = True


class Renditions:
    """The renditions of one deployment, for one process; any thread may call it."""

    def __init__(
        self,
        *,
        database: Database,
        storage: Storage,
        credentials: Credentials | None,
        watermark: Watermark | None = None,
        at_once: int = AT_ONCE,
    ) -> None:
        self._database = database
        self._storage = storage
        self._credentials = credentials
        self._watermark = watermark
        self._places = threading.BoundedSemaphore(at_once)
        self._hall = threading.BoundedSemaphore(at_once + WAITING)

    def find(self, image: Image, channel: Channel) -> Rendition | None:
        """Find one; None: nobody has made it yet."""
        with self._database.session() as session:
            return renditions.find(session, image.id, channel.name, channel.spec)

    def get_soon(self, image: Image, channel: Channel) -> Rendition:
        """Find one, or make it, unless too many others wait for that.

        Raises:
            RenditionsBusyError: They do.
            NotFoundError: As in `get`.
            RenditionError: As in `get`.
        """
        found = self.find(image, channel)
        if found is not None:
            return found
        # Each who waits keeps one of the threads that answer requests.
        if not self._hall.acquire(blocking=False):
            raise RenditionsBusyError
        try:
            return self.get(image, channel)
        finally:
            self._hall.release()

    def convert(self, original: bytes, format_: Format, *, quality: int | None = None) -> bytes:
        """Write a stored image in another format: its pixels, its size, and its marks.

        Args:
            original: The stored file.
            format_: What to write; transparency stays where it has that.
            quality: 0 to 100; None: as renditions have it.

        Raises:
            InvalidImageError: The stored file is no image that can be read.
            RenditionsBusyError: Too many others wait for a place.
        """
        from catalogue.renditions.writer import rewrite  # noqa: PLC0415 - brings Pillow

        # Each who waits keeps one of the threads that answer requests.
        if not self._hall.acquire(blocking=False):
            raise RenditionsBusyError
        try:
            with self._places:
                return rewrite(original, format_, quality=quality, credentials=self._credentials)
        finally:
            self._hall.release()

    def get(
        self,
        image: Image,
        channel: Channel,
        read: Callable[[], bytes] | None = None,
    ) -> Rendition:
        """Find one, or make it. Hold no database session meanwhile: it may take a second.

        Args:
            image: What it is of.
            channel: What it is for.
            read: Gives the original's bytes; None: they are read from S3.

        Raises:
            NotFoundError: The original is missing in S3, damaged, or about to leave.
            RenditionError: The image cannot be made into what the channel wants.
        """
        found = self.find(image, channel)
        if found is not None:
            return found
        with self._places:
            # Somebody may have made it while we waited for a place.
            return self.find(image, channel) or self._make(image, channel, read)

    def read(
        self, image: Image, channel: Channel, get: Get | None = None
    ) -> tuple[Rendition, bytes]:
        """Return a rendition and its bytes; one whose object was lost is made again.

        Args:
            image: What it is of.
            channel: What it is for.
            get: Finds or makes it; None: `get` of this.

        Raises:
            NotFoundError: As in `get`.
            RenditionError: As in `get`.
            StoredObjectLostError: S3 loses what was written a moment ago.
        """
        get = get or self.get
        rendition = get(image, channel)
        try:
            return rendition, self._storage.read(rendition)
        except StoredObjectLostError:
            self.lose(rendition)
        rendition = get(image, channel)
        return rendition, self._storage.read(rendition)

    def _make(
        self,
        image: Image,
        channel: Channel,
        read: Callable[[], bytes] | None,
    ) -> Rendition:
        # Brings NumPy: processes that never make one start without it.
        from catalogue.renditions.rendering import render  # noqa: PLC0415

        original = read() if read else self._storage.read(image)
        made = render(
            original,
            channel,
            credentials=self._credentials,
            box=product_box(image),
            watermark=self._watermark_of(image),
        )
        stored = self._storage.put_rendition(
            made.body,
            tenant=image.tenant,
            name=f"{channel.name}-{channel.spec}",
            extension=channel.format.extension,
            content_type=channel.format.content_type,
            generation_id=image.generation_id,
        )
        row = Rendition(
            image_id=image.id,
            channel=channel.name,
            spec=channel.spec,
            key=stored.key,
            content_type=channel.format.content_type,
            digest=stored.digest,
            size=stored.size,
            width=made.width,
            height=made.height,
            upscaled=made.upscaled,
            ground=made.ground,
            fill=made.fill,
            unclear=made.unclear,
        )
        with self._database.session() as session:
            kept = renditions.record(session, row)
        if kept is None or kept.key != stored.key:
            self._storage.delete([stored.key])
        if kept is None:
            raise NotFoundError(
                "The image has expired and is being deleted. Submit the request again."
            )
        return kept

    def _watermark_of(self, image: Image) -> ImageWatermark | None:
        """Return the watermark of an image; None: it keeps what it has, as it is scaled.

        Of one that shows a photograph's product nobody knows here where that is.
        """
        if self._watermark is None or image.quality is not None:
            return None
        return ImageWatermark(watermark=self._watermark, fingerprint=image.fingerprint)

    def lose(self, rendition: Rendition) -> None:
        """Delete the record of one whose object is gone, so that it is made again."""
        with self._database.session() as session:
            renditions.lose(session, rendition.id)


def product_box(image: Image) -> "Box | None":
    """Return where an image's product was placed, as its quality says; None: nobody placed it."""
    from catalogue.renditions.scene import Box  # noqa: PLC0415 - brings NumPy

    placed = (image.quality or {}).get("box")
    if placed is None:
        return None
    left, top, right, bottom = placed
    return Box(left=left, top=top, right=right, bottom=bottom)
