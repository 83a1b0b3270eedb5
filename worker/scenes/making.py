"""A scene's way: its photograph is prepared, then its background drawn, then both put together.

What is wrong with a photograph is known before the engine draws anything for it.
"""

import time
from collections.abc import Callable
from functools import partial

from catalogue.cutouts.finishing import FinishedCutout
from catalogue.scenes.finishing import check_placeable, finish_scene
from core.domain.image_spec import ImageSpec
from worker.cutouts.pool import CutoutPool, made_of, photograph_of
from worker.cutouts.preparing import LocatedPhotograph, PreparedProduct
from worker.leases import Lease
from worker.loaded import LoadedModel
from worker.metrics import STAGE_SECONDS
from worker.pictures import MadeImage
from worker.room import PromptedRoom
from worker.rows import RowResult
from worker.scenes.backgrounds import Background, Backgrounds
from worker.scenes.blending import DrawOver, blend


class SceneMaker:
    """Makes scenes: what computes them are the engine and the pool of cut-outs."""

    def __init__(self, *, pool: CutoutPool, backgrounds: Backgrounds, room: PromptedRoom) -> None:
        """Wire it.

        Args:
            pool: Prepares photographs, and composes.
            backgrounds: Where backgrounds come from.
            room: Counts them, beside others that hold a thread of a message as they do.
        """
        self._room = room
        self._pool = pool
        self._backgrounds = backgrounds

    def make(
        self,
        lease: Lease,
        model: LoadedModel,
        draw: Callable[[ImageSpec], RowResult],
        draw_over: DrawOver,
    ) -> MadeImage:
        """Make the scene of a claim.

        Args:
            lease: Its.
            model: What draws it.
            draw: Has the engine draw an image for this claim.
            draw_over: The same over a picture.

        Raises:
            RowError: The background was not drawn, this worker is stopping, or the claim is lost.
            PackshotError: The photograph cannot be had or used, or its product changed in the
                scene; the error's type says why, and whether a retry helps.
            BotoCoreError: S3 is away.
            ClientError: S3 refuses.
        """
        claim, reads = lease.claim, model.reads
        with self._room.taken():
            located = self._pool.locate(lease)
            product, prepared = self._pool.compute(
                lease, located, partial(self._prepare, lease, located)
            )
            background = self._backgrounds.get(
                claim, reads, lambda: draw(claim.spec.drawn), check=partial(self._pool.check, lease)
            )
            if photograph_of(claim).blend:
                finished, seconds = blend(
                    lease, model, self._pool, located, product, background, draw_over
                )
            else:
                compose = partial(_compose, lease, product, background)
                finished, seconds = self._pool.compute(lease, located, compose)
            finished.quality["background"] = background.outcome.value
            seconds += prepared + background.seconds
            return made_of(claim, located, product, finished, seconds=seconds, reads=reads)

    def _prepare(self, lease: Lease, located: LocatedPhotograph) -> tuple[PreparedProduct, float]:
        """Cut the product out, and check it; return it with the seconds that took."""
        began, spec = time.monotonic(), lease.claim.spec
        product = self._pool.prepare(located)
        check_placeable(
            product.stored.cutout,
            photograph_of(lease.claim),
            width=spec.width,
            height=spec.height,
        )
        return product, time.monotonic() - began


def _compose(
    lease: Lease, product: PreparedProduct, background: Background
) -> tuple[FinishedCutout, float]:
    """Put a product into its background; return that with the seconds it took."""
    claim, began = lease.claim, time.monotonic()
    with STAGE_SECONDS.labels("finish").time():
        finished = finish_scene(
            background.pixels,
            product.stored.cutout,
            photograph_of(claim),
            width=claim.spec.width,
            height=claim.spec.height,
        )
    return finished, time.monotonic() - began
