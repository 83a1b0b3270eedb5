"""A shop whose images lie in S3, its clock, and a janitor."""

import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, update
from sqlmodel import col

from core.db.models import Batch, Image, Job
from core.eviction import Policy
from core.lifecycle.retention import ImageLimits
from core.storage import Storage
from ops.janitor import Janitor
from tests.integration.shop import Shop, image_of

HOUR = 3600.0


class Store:
    """Images in Postgres and S3, as a worker leaves them."""

    def __init__(self, shop: Shop, storage: Storage) -> None:
        self.shop = shop
        self.storage = storage
        self._pixels = itertools.count()

    def make(self, product: Any = "red mug", *, size: int = 100, **values: Any) -> Image:
        """Ask for an image, and make it."""
        (job,) = self.shop.want(product, **values).job_ids
        return self.finish(job, size=size)

    def finish(self, job: UUID, *, size: int = 100) -> Image:
        """Make what a job waits for: other bytes each time."""
        claim = self.shop.start(job)
        stored = self.storage.put_image(
            f"{next(self._pixels):0{size}}".encode(),
            tenant=claim.tenant,
            fingerprint=claim.fingerprint,
            extension="png",
            content_type="image/png",
            generation_id=claim.generation_id,
        )
        image = image_of(claim)
        image.key, image.digest, image.size = stored.key, stored.digest, stored.size
        assert self.shop.succeed(claim, image)
        return image

    def age(self, *, hours: float) -> None:
        """Let everything that is there be so much older."""
        by = timedelta(hours=hours)
        with self.shop.database.session() as session:
            for table, names in (
                (Image, ("created_at", "last_used_at")),
                (Job, ("created_at", "finished_at")),
                (Batch, ("created_at", "finished_at")),
            ):
                session.execute(
                    update(table).values({name: col(getattr(table, name)) - by for name in names})
                )

    def has(self, image: Image) -> bool:
        """Tell whether its object is in S3."""
        return image.key in {key for key, _ in self.storage.listed("images/")}

    def rows(self) -> set[UUID]:
        return {image.id for image in self.shop.images()}


@pytest.fixture
def store(shop: Shop, storage: Storage) -> Store:
    return Store(shop, storage)


@pytest.fixture
def janitor(shop: Shop, storage: Storage) -> Callable[..., Janitor]:
    """Make a janitor; without limits it deletes nothing but what answers no more."""

    def janitor(**values: Any) -> Janitor:
        limits = {
            "ttl_seconds": 0.0,
            "retention_seconds": HOUR,
            "max_bytes": 0,
            "max_images": 0,
            "policy": Policy.LRU,
        }
        return Janitor(
            database=shop.database, storage=storage, limits=ImageLimits(**limits | values)
        )

    return janitor


@pytest.fixture
def now(shop: Shop) -> Callable[[], Any]:
    """Ask Postgres for the time."""

    def now() -> Any:
        with shop.database.session() as session:
            return session.execute(func.now().select()).scalar_one()

    return now
