"""Threads that make images of photographs: beside the engine, which neither waits for the other.

Fetching waits in the thread of a message; cutting out has a few threads of its own, at a lower
priority of the system. What there is no room for is not claimed.
"""

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TypeVar

from catalogue.cutouts.finishing import FinishedCutout, finish_cutout
from core.domain.image_spec import ModelInput
from core.domain.photograph_spec import ImageMode, PhotographSpec
from core.lifecycle.claims import Claim
from core.pictures.credentials import Ingredient
from core.pictures.provenance import source_type_for
from worker.cutouts.preparing import (
    LocatedPhotograph,
    PreparedProduct,
    ProductPreparer,
    ReadPhotograph,
)
from worker.leases import Lease
from worker.metrics import STAGE_SECONDS
from worker.pictures import MadeImage
from worker.room import WaitingRoom
from worker.rows import RowHandedBackError
from worker.watchdog import Watchdog

Value = TypeVar("Value")

WAITING = 4
"""Images for each thread that are fetched, or wait for it, beside the one that it makes."""

NICE = 10
"""How much other threads come before these (`nice(2)`)."""

LARGE_PIXELS = 16_000_000
"""Photographs from this size on are cut out one at a time: each takes a gigabyte."""


class CutoutPool:
    """Makes images of photographs, some at a time."""

    def __init__(
        self, preparer: ProductPreparer, *, threads: int, watchdog: Watchdog | None = None
    ) -> None:
        """Start no thread before the first image.

        Args:
            preparer: Fetches and cuts out.
            threads: Images that are computed at the same time.
            watchdog: Watches that; its own, as leases ask the engine's for its progress.
        """
        self.room = WaitingRoom(threads * (1 + WAITING))
        self._preparer = preparer
        self._watchdog = watchdog
        self._executor = ThreadPoolExecutor(threads, "cutouts", initializer=_stand_back)
        self._large = threading.Lock()
        self._stopping = False

    @property
    def has_room(self) -> bool:
        """Whether one more can be claimed."""
        return self.room.is_free and not self._stopping

    def stop(self) -> None:
        """Begin nothing more: what waits goes back to the queue."""
        self._stopping = True

    def close(self) -> None:
        """Wait for what is under way, and end the threads."""
        self.stop()
        self._executor.shutdown()
        self._preparer.close()

    def make(self, lease: Lease) -> MadeImage:
        """Make the image of a claim.

        Raises:
            RowHandedBackError: This worker is stopping, or the claim is lost.
            PackshotError: The photograph cannot be had or used; the error's type says why, and
                whether a retry helps.
            BotoCoreError: S3 is away.
            ClientError: S3 refuses.
        """
        with self.room.taken():
            located = self.locate(lease)
            return self.compute(lease, located, partial(self._make, lease, located))

    def locate(self, lease: Lease) -> LocatedPhotograph:
        """Find a claim's photograph in store, fetched if need be; raises what `make` does."""
        self.check(lease)
        with STAGE_SECONDS.labels("fetch").time():
            return self._preparer.locate(photograph_of(lease.claim), lease.claim.tenant)

    def compute(self, lease: Lease, located: LocatedPhotograph, work: Callable[[], Value]) -> Value:
        """Do a part of an image's work in one of the pool's threads, watched."""

        def watched() -> Value:
            self.check(lease)
            with self._watched(), self._alone(located):
                return work()

        return self._executor.submit(watched).result()

    def prepare(self, located: LocatedPhotograph) -> PreparedProduct:
        """Cut a photograph's product out, in this thread; raises what `make` does."""
        with STAGE_SECONDS.labels("cutout").time():
            return self._preparer.prepare(located)

    def read(self, located: LocatedPhotograph) -> ReadPhotograph:
        """Read a photograph and its mask, in this thread; raises what `make` does."""
        return self._preparer.read(located)

    def _make(self, lease: Lease, located: LocatedPhotograph) -> MadeImage:
        began, spec = time.monotonic(), lease.claim.spec
        product = self.prepare(located)
        with STAGE_SECONDS.labels("finish").time():
            finished = finish_cutout(
                product.stored.cutout,
                photograph_of(lease.claim),
                width=spec.width,
                height=spec.height,
            )
        return made_of(lease.claim, located, product, finished, seconds=time.monotonic() - began)

    def check(self, lease: Lease) -> None:
        """Check that a claim is still worth working on.

        Raises:
            RowHandedBackError: This worker is stopping, or the claim is lost.
        """
        if self._stopping or lease.lost:
            raise RowHandedBackError("the worker is stopping, or has lost the image")

    def _watched(self) -> AbstractContextManager[object]:
        return self._watchdog.watch("cutting out") if self._watchdog else nullcontext()

    def _alone(self, located: LocatedPhotograph) -> AbstractContextManager[object]:
        large = located.source.width * located.source.height >= LARGE_PIXELS
        return self._large if large else nullcontext()


def made_of(
    claim: Claim,
    located: LocatedPhotograph,
    product: PreparedProduct,
    finished: FinishedCutout,
    *,
    seconds: float,
    reads: ModelInput | None = None,
) -> MadeImage:
    """Return a finished picture of a photograph's product, with all that is known of it.

    Args:
        claim: What it was made for.
        located: Its photograph.
        product: What was cut out of that.
        finished: The picture.
        seconds: What computing it took.
        reads: What of the request a model saw; None: none saw it.
    """
    quality = finished.quality
    quality["notes"] = [*product.stored.notes, *quality["notes"]]
    quality |= {"source": located.outcome, "cutout": product.outcome.value}
    mode = claim.spec.mode
    return MadeImage(
        pixels=finished.pixels,
        seconds=seconds,
        quality=quality,
        inside=finished.inside,
        fingerprint=fingerprint_of(claim, located, reads),
        made_of=located.digests,
        source_type=source_type_for(mode.value, product.stored.source_type),
        ingredient=ingredient_of(located, is_part=mode is ImageMode.SCENE),
    )


def ingredient_of(located: LocatedPhotograph, *, is_part: bool = False) -> Ingredient:
    """Return what an image's credentials name: the photograph that it, or a part, was made of."""
    source = located.source
    return Ingredient(
        title=source.file_name or f"photograph {source.digest[:12]}",
        content_type=source.content_type,
        digest=source.digest,
        is_part=is_part,
    )


def fingerprint_of(
    claim: Claim, located: LocatedPhotograph, reads: ModelInput | None = None
) -> str:
    """Return by what an image is found: its photograph's bytes, wherever they came from."""
    mask = located.mask.digest if located.mask else None
    photograph = replace(photograph_of(claim), source=located.source.digest, mask=mask)
    spec = replace(claim.spec, photograph=photograph)
    return spec.fingerprint(claim.bundle_revision, reads=reads or ModelInput())


def photograph_of(claim: Claim) -> PhotographSpec:
    """Return what is wanted of a claim's photograph."""
    if claim.spec.photograph is None:
        raise ValueError("the row has no photograph")
    return claim.spec.photograph


def _stand_back() -> None:
    """Run behind the engine's threads, where the system knows priorities of threads."""
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
