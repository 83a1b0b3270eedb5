"""One product of a publish run: given its images, or given back what it had."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session

from core.db.models import Image, PublishItem
from core.domain.states import PublishItemState
from core.domain.stores import Placement
from core.errors import NotFoundError
from core.publishing import items as run_items
from core.publishing.images import still_publishable
from core.publishing.records import Gallery, GalleryImage, ImageToPublish, placed, restored
from core.publishing.runs import RunClaim
from ops.publishing.files import Files
from ops.publishing.store import Store, StoreRefusedError

WITHHELD = "None of its images may be published any more."


@dataclass
class ProductRun:
    """A product's part of a claimed run."""

    claim: RunClaim
    item: PublishItem
    store: Store
    files: Files
    write: Callable[[Callable[[Session], Any]], Awaitable[Any]]
    """Writes in a transaction that holds the claim."""

    def __post_init__(self) -> None:
        self._began = self.item.began_at is not None
        self.product = str(self.item.product)
        self.images = [ImageToPublish.of(one) for one in self.item.images]

    async def publish(self) -> None:
        """Upload what may be published, and place it; after a refusal, restore what was there.

        Raises:
            StoreAwayError: The store is away; what was done is known.
            CredentialsRefusedError: It refuses the credentials; the same.
            LostClaimError: The run is another's by now.
        """
        if self.item.state is not PublishItemState.PLANNED:
            return
        error = self.item.error
        if error is None:
            try:
                await self._begin()
                await self._upload()
                if not any(one.remote for one in self.images):
                    raise StoreRefusedError(WITHHELD)
                await self._place()
                await self._withdraw_unapproved()
            except StoreRefusedError as refusal:
                error = str(refusal)
                # Before anything is taken back: a kill in between must not publish the rest.
                await self.write(
                    lambda session: run_items.change_item(session, self.item.id, error=error)
                )
        if error is None:
            await self._end(PublishItemState.PUBLISHED)
            return
        await self._restore()
        await self._end(PublishItemState.FAILED)

    async def undo(self) -> None:
        """Give the product back what it had, and delete what the run uploaded.

        Raises:
            StoreAwayError: The store is away.
            CredentialsRefusedError: It refuses the credentials.
            LostClaimError: The run is another's by now.
        """
        await self._restore()
        await self._end(PublishItemState.UNDONE)

    async def _begin(self) -> None:
        """Keep what the product has, before anything of it is changed."""
        if self._began:
            return
        before = [one.document() for one in await self._present()]
        await self.write(
            lambda session: run_items.change_item(
                session, self.item.id, before=before, began_at=func.now()
            )
        )
        self.item.before, self._began = before, True

    async def _upload(self) -> None:
        for number, image in enumerate(self.images):
            stored = (await self._publishable([image])).get(image.job_id)
            if stored is None:
                await self._withhold(number)
                continue
            if image.remote is None:
                try:
                    content_type, body = await asyncio.to_thread(self.files.read, stored)
                except NotFoundError:
                    await self._withhold(number)
                    continue
                made = await self.store.upload(
                    self.product, image.name, body, content_type=content_type, alt=image.alt
                )
                await self._keep(number, replace(image, remote=made.id, withheld=False))

    async def _place(self) -> None:
        # Once more, at the last moment before anybody sees them.
        await self._withhold_unapproved()
        added = self._added()
        if not added:
            raise StoreRefusedError(WITHHELD)
        wanted = placed(
            await self._present(),
            added,
            first=self.claim.placement is Placement.FIRST,
            most=self.store.capacity(self.product),
        )
        await self.store.arrange(self.product, wanted)
        shown: dict[str, str] = {}
        for image in self.images:
            if image.remote:
                shown.setdefault(image.sku, image.remote)
        await self.store.assign(self.product, shown)

    async def _withdraw_unapproved(self) -> None:
        """Take back what somebody rejected while it was placed."""
        if await self._withhold_unapproved() and not self._added():
            raise StoreRefusedError(WITHHELD)

    async def _withhold_unapproved(self) -> bool:
        """Delete uploaded images that may not be published any more; return whether any were."""
        allowed = await self._publishable([one for one in self.images if one.remote])
        found = False
        for number, image in enumerate(self.images):
            if image.remote and image.job_id not in allowed:
                await self._withhold(number)
                found = True
        return found

    async def _withhold(self, number: int) -> None:
        image = self.images[number]
        await self.store.remove(self.product, image.name, image.remote)
        await self._keep(number, replace(image, remote=None, withheld=True))

    async def _restore(self) -> None:
        """Give the product what it had; the run's files are deleted."""
        if not self._began:
            return
        present = await self.store.gallery(self.product)
        if present is not None:
            await self._rearrange(present)
        for image in self.images:
            # Without an id too: it may have been uploaded, and the answer lost.
            await self.store.remove(self.product, image.name, image.remote)

    async def _rearrange(self, present: Gallery) -> None:
        before = [GalleryImage.of(one) for one in self.item.before or ()]
        ours = {one.remote for one in self.images if one.remote}
        # Somebody may have deleted, meanwhile, what made room: then it stays away.
        bounded = self.store.capacity(self.product) is not None
        for displaced in (True, False) if bounded else (False,):
            wanted = restored(before, present, ours, displaced=displaced)
            try:
                if list(wanted) != list(present):
                    await self.store.arrange(self.product, wanted)
            except StoreRefusedError:
                if not displaced:
                    raise
            else:
                return

    async def _present(self) -> Gallery:
        present = await self.store.gallery(self.product)
        if present is None:
            raise StoreRefusedError("The product is not in the store any more.")
        return present

    def _added(self) -> Gallery:
        return [GalleryImage(id=one.remote, alt=one.alt) for one in self.images if one.remote]

    async def _publishable(self, images: Sequence[ImageToPublish]) -> dict[UUID, Image]:
        ids = [one.job_id for one in images]
        found: dict[UUID, Image] = await self.write(lambda session: still_publishable(session, ids))
        return found

    async def _keep(self, number: int, image: ImageToPublish) -> None:
        self.images[number] = image
        documents = [one.document() for one in self.images]
        await self.write(
            lambda session: run_items.change_item(session, self.item.id, images=documents)
        )

    async def _end(self, state: PublishItemState) -> None:
        await self.write(lambda session: run_items.end_item(session, self.item.id, state))
