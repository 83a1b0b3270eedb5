"""A publish run's plan: whose images go to which product, and what that has now."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from uuid import UUID

from core.db.engine import Database
from core.db.models import Job
from core.publishing.images import publishable
from core.publishing.items import PlannedItem
from core.publishing.records import ImageToPublish
from core.publishing.runs import RunClaim
from ops.publishing.files import channel_of_run
from ops.publishing.store import FoundProduct, Store

EXTENSIONS: Mapping[str, str] = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/avif": "avif",
}


async def make_plan(
    database: Database, claim: RunClaim, store: Store, *, keep: Callable[[], Awaitable[object]]
) -> Sequence[PlannedItem]:
    """Look a batch's products up in a store; nothing is changed there.

    Args:
        database: Where the batch is.
        claim: The run's.
        store: Its target's.
        keep: Keeps the claim.

    Raises:
        StoreAwayError: The store is away.
        StoreRefusedError: It refuses to be looked at.
        CredentialsRefusedError: It refuses the credentials.
    """
    channel = channel_of_run(claim.channel)

    def read() -> Sequence[tuple[Job, str]]:
        with database.session() as session:
            return publishable(session, claim.tenant, claim.batch_id, claim.channel)

    jobs = await asyncio.to_thread(read)
    found = await store.find(list(dict.fromkeys(job.sku for job, _ in jobs)))
    grouped: dict[str, list[ImageToPublish]] = defaultdict(list)
    missing: dict[str, list[ImageToPublish]] = defaultdict(list)
    products: dict[str, FoundProduct] = {}
    for job, content_type in jobs:
        product = found.get(job.sku)
        image = _image(claim.run_id, job, channel.format.content_type if channel else content_type)
        if product is None:
            missing[job.sku].append(image)
            continue
        products[product.product] = product
        grouped[product.product].append(image)
    items = []
    for identity, images in grouped.items():
        product = products[identity]
        await keep()
        before = await store.gallery(identity) or ()
        items.append(
            PlannedItem(
                product=identity,
                title=product.title,
                images=images[: store.capacity(identity)],
                before=[one.document() for one in before],
            )
        )
    absent = (
        PlannedItem(product=None, title="", images=images, before=()) for images in missing.values()
    )
    return [*items, *absent]


def _image(run_id: UUID, job: Job, content_type: str) -> ImageToPublish:
    extension = EXTENSIONS.get(content_type, "png")
    return ImageToPublish(
        job_id=job.id,
        sku=job.sku,
        # The run's id: what another run uploaded is its own, to be undone alone.
        name=f"packshot-{run_id.hex}-{job.id.hex}.{extension}",
        alt=job.alt_text,
    )
