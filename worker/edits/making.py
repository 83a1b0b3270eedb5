"""An edit's way: its photograph is read and fitted, then drawn over, then put together.

What is wrong with a photograph or its mask is known before the engine draws anything.
"""

import time
from collections.abc import Callable
from functools import partial

from catalogue.editing import EditSource, edit_source, finish_edit
from core.domain.image_spec import ImageSpec
from core.domain.photograph_spec import ImageMode
from core.pictures.provenance import source_type_for
from worker.cutouts.pool import CutoutPool, fingerprint_of, ingredient_of, photograph_of
from worker.cutouts.preparing import LocatedPhotograph, ReadPhotograph
from worker.leases import Lease
from worker.loaded import LoadedModel
from worker.metrics import STAGE_SECONDS
from worker.pictures import MadeImage
from worker.room import PromptedRoom
from worker.rows import RowResult
from worker.walk import Picture


class EditMaker:
    """Makes edits: what computes them are the engine and the pool of cut-outs."""

    def __init__(self, *, pool: CutoutPool, room: PromptedRoom) -> None:
        """Wire it.

        Args:
            pool: Reads photographs, and puts together.
            room: Counts edits, beside others that hold a thread of a message as they do.
        """
        self._pool = pool
        self._room = room

    def make(
        self, lease: Lease, model: LoadedModel, draw: Callable[[ImageSpec, Picture], RowResult]
    ) -> MadeImage:
        """Make the edit of a claim.

        Args:
            lease: Its.
            model: What draws it.
            draw: Has the engine draw an image for this claim over a picture.

        Raises:
            RowError: It was not drawn, this worker is stopping, or the claim is lost.
            PackshotError: The photograph or its mask cannot be had or used; the error's type says
                why, and whether a retry helps.
            BotoCoreError: S3 is away.
            ClientError: S3 refuses.
        """
        with self._room.taken():
            located = self._pool.locate(lease)
            read, source, prepared = self._pool.compute(
                lease, located, partial(self._prepare, lease, model, located)
            )
            strength = photograph_of(lease.claim).strength
            picture = Picture(pixels=source.pixels, strength=strength, mask=source.mask)
            result = draw(lease.claim.spec.drawn, picture)
            seconds = prepared + result.seconds
            finish = partial(_finish, lease, model, located, read, source, result, seconds=seconds)
            return self._pool.compute(lease, located, finish)

    def _prepare(
        self, lease: Lease, model: LoadedModel, located: LocatedPhotograph
    ) -> tuple[ReadPhotograph, EditSource, float]:
        """Read the photograph, and fit it; return both with the seconds that took."""
        began, spec = time.monotonic(), lease.claim.spec
        read = self._pool.read(located)
        _, _, across = model.latent_shape(width=spec.width, height=spec.height)
        source = edit_source(
            read.pixels, read.mask, (spec.width, spec.height), cell=spec.width // across
        )
        return read, source, time.monotonic() - began


def _finish(
    lease: Lease,
    model: LoadedModel,
    located: LocatedPhotograph,
    read: ReadPhotograph,
    source: EditSource,
    result: RowResult,
    *,
    seconds: float,
) -> MadeImage:
    claim, began = lease.claim, time.monotonic()
    with STAGE_SECONDS.labels("finish").time():
        edited = finish_edit(result.image, source)
    quality = edited.quality | {"source": located.outcome}
    quality["notes"] = [*read.notes, *quality["notes"]]
    return MadeImage(
        pixels=edited.pixels,
        seconds=seconds + time.monotonic() - began,
        quality=quality,
        inside=edited.inside,
        fingerprint=fingerprint_of(claim, located, model.reads),
        made_of=located.digests,
        source_type=source_type_for(ImageMode.EDIT.value, read.source_type),
        ingredient=ingredient_of(located),
    )
