"""What a publish run needs of a store, whichever API that speaks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from core.publishing.records import Gallery, GalleryImage


class StoreAwayError(Exception):
    """The store does not answer, or wants to be left alone; later it may."""

    def __init__(self, reason: str, *, seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.seconds = seconds
        """For how long it wants to be left alone; 0: it did not say."""


class StoreRefusedError(Exception):
    """The store does not do this, however often it is asked; the sentence is its own."""


class CredentialsRefusedError(Exception):
    """The store does not accept the target's credentials for this."""


@dataclass(frozen=True, kw_only=True)
class FoundProduct:
    """Where the images of a SKU belong."""

    product: str
    """The store's own id."""
    title: str


class Store(Protocol):
    """A store; each call may be repeated, whatever became of the one before."""

    async def find(self, skus: Sequence[str]) -> Mapping[str, FoundProduct]:
        """Find the products of SKUs; those that the store does not have are left out."""

    def capacity(self, product: str) -> int | None:
        """Return how many images a product can have; None: more than anybody adds."""

    async def gallery(self, product: str) -> Gallery | None:
        """Return a product's images in order; None: it is not there any more."""

    async def upload(
        self, product: str, name: str, body: bytes, *, content_type: str, alt: str
    ) -> GalleryImage:
        """Upload a file for a product, under a name that no other has, once.

        Return what it became.
        """

    async def arrange(self, product: str, wanted: Gallery) -> None:
        """Give a product exactly these images, in this order and with these texts.

        Those that it loses are files of the store still.
        """

    async def assign(self, product: str, images: Mapping[str, str]) -> None:
        """Show images beside variants that have none of their own: ids by SKU."""

    async def remove(self, product: str, name: str, known: str | None) -> None:
        """Delete what `upload` made of a name; nothing, if it is not there.

        Args:
            product: As it was uploaded for.
            name: As it was uploaded.
            known: The store's id, if it is known.
        """
