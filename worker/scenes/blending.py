"""A scene's second drawing: around its product, which the model sees; with a few seeds at most."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import structlog

from catalogue.cutouts.finishing import FinishedCutout
from catalogue.scenes.fidelity import ProductChangedError
from catalogue.scenes.finishing import finish_blend, source_of_blend
from core.domain.image_spec import ImageSpec
from core.domain.seeds import variant_seed
from core.errors import first_line
from worker.cutouts.pool import CutoutPool, photograph_of
from worker.cutouts.preparing import LocatedPhotograph, PreparedProduct
from worker.leases import Lease
from worker.loaded import LoadedModel
from worker.metrics import STAGE_SECONDS
from worker.rows import RowResult
from worker.scenes.backgrounds import Background
from worker.walk import Picture

log = structlog.get_logger(__name__)

TRIES = 3
"""Seeds with which a product's surroundings are drawn, until it is no larger than it was placed."""

NOT_SEEN = (
    "The product is so small at the model's size that nothing of it was kept while its "
    "surroundings were drawn. Ask for a larger `fill`, or for a model that draws larger."
)

DrawOver = Callable[[ImageSpec, Picture], RowResult]
"""Has the engine draw an image for a claim over a picture."""


def blend(
    lease: Lease,
    model: LoadedModel,
    pool: CutoutPool,
    located: LocatedPhotograph,
    product: PreparedProduct,
    background: Background,
    draw_over: DrawOver,
) -> tuple[FinishedCutout, float]:
    """Draw around a product, and put its own pixels back; return that and the seconds it took.

    Raises:
        RowError: It was not drawn, this worker is stopping, or the claim is lost.
        ProductChangedError: The product grew with every seed.
    """
    claim = lease.claim
    began = time.monotonic()
    picture = pool.compute(lease, located, partial(_picture, lease, model, product, background))
    seconds = time.monotonic() - began
    for number in range(1, TRIES + 1):
        spec = claim.spec.drawn
        spec = replace(spec, seed=variant_seed(spec.noise_seed, number))
        result = draw_over(spec, picture)
        seconds += result.seconds
        began = time.monotonic()
        try:
            finish = partial(_finish, lease, product, result)
            finished = pool.compute(lease, located, finish)
        except ProductChangedError as error:
            if number == TRIES:
                raise
            log.info("the product changed: drawn with another seed", reason=first_line(error))
            continue
        finally:
            seconds += time.monotonic() - began
        finished.quality["tries"] = number
        if picture.mask is not None and picture.mask.all():
            finished.quality["notes"].append(NOT_SEEN)
        if number > 1:
            finished.quality["notes"].append(
                f"The product had grown {number - 1} times, so the seed {spec.seed} was taken "
                "around it."
            )
        return finished, seconds
    raise AssertionError("the last try returns or raises")


def _picture(
    lease: Lease, model: LoadedModel, product: PreparedProduct, background: Background
) -> Picture:
    claim, photograph = lease.claim, photograph_of(lease.claim)
    height, width = background.pixels.shape[:2]
    _, _, across = model.latent_shape(width=width, height=height)
    source = source_of_blend(
        background.pixels,
        product.stored.cutout,
        photograph,
        width=claim.spec.width,
        height=claim.spec.height,
        cell=width // across,
    )
    return Picture(pixels=source.pixels, strength=photograph.strength, mask=source.mask)


def _finish(lease: Lease, product: PreparedProduct, result: RowResult) -> FinishedCutout:
    spec = lease.claim.spec
    with STAGE_SECONDS.labels("finish").time():
        return finish_blend(
            result.image,
            product.stored.cutout,
            photograph_of(lease.claim),
            width=spec.width,
            height=spec.height,
        )
