"""What becomes of computed pixels: a file, its row, and the renditions that are wanted already."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray
from PIL import Image as Picture

from catalogue.channels import UnknownChannelError, find_channel
from catalogue.cutouts.delivered import ProductInside, proven
from catalogue.renditions.regions import Mask, dilated
from catalogue.renditions.store import Renditions
from core.db.models import Image
from core.domain.photograph_spec import ImageMode
from core.errors import first_line
from core.lifecycle.claims import Claim
from core.pictures.credentials import Credentials, Ingredient
from core.pictures.encoding import encode
from core.pictures.formats import Format
from core.pictures.marking import Watermark
from core.pictures.provenance import TRAINED
from core.stored_object import StoredObject
from worker.approximate.cache import NOTHING, StartPlan
from worker.rows import RowResult

log = structlog.get_logger(__name__)

ORIGINAL = Format.PNG


@dataclass(frozen=True, kw_only=True, eq=False)
class MadeImage:
    """Pixels that were made for a claim, and what is known of them."""

    pixels: NDArray[np.uint8]
    """(height, width, 3), sRGB; or 4 channels, alpha not premultiplied."""
    seconds: float
    """What computing them took."""
    plan: StartPlan = NOTHING
    """What the engine's row began with."""
    row: RowResult | None = None
    """What the engine says of its row; None: no model made it."""
    quality: dict[str, Any] | None = None
    """What is known of a photograph's product: see `catalogue.cutouts.finishing.assess`."""
    inside: ProductInside | None = None
    """Where the stored file is compared with the placed photograph; None: nowhere."""
    source_type: str = TRAINED
    """The digital source type that its file is marked as."""
    ingredient: Ingredient | None = None
    """What it was made of, for its credentials; None: of nothing."""
    fingerprint: str | None = None
    """By what it is found from now on; None: as its claim says."""
    made_of: Sequence[str] = ()
    """SHA-256 of the photographs and masks that it was made of, hex."""


_EDGE = 3
"""Pixels around what is compared of a product that are the product's too: its soft edge."""


def watermarked(claim: Claim, made: MadeImage, watermark: Watermark | None) -> MadeImage:
    """Return an image with its watermark; a photograph's product in it stays as it is.

    Before anything is encoded, and after everything that compares a model's pixels.

    Args:
        claim: What it was made for.
        made: The image.
        watermark: The deployment's; None: it gets none.
    """
    drawn = claim.spec.mode is not ImageMode.CUTOUT and made.pixels.shape[2] == 3
    if watermark is None or not drawn:
        return made
    pixels = watermark.mark(
        made.pixels,
        source_type=made.source_type,
        fingerprint=_fingerprint(claim, made),
        keep=_product(made),
    )
    return replace(made, pixels=pixels)


def _product(made: MadeImage) -> Mask | None:
    """Return where an image is its product's, (height, width); None: nowhere."""
    if made.inside is None:
        return None
    found = np.zeros(made.pixels.shape[:2], np.bool_)
    height, width = made.inside.mask.shape
    top, left = made.inside.top, made.inside.left
    found[top : top + height, left : left + width] = made.inside.mask
    return dilated(found, _EDGE)


def encode_original(made: MadeImage, credentials: Credentials | None = None) -> bytes:
    """Encode an image without loss, marked by how it was made.

    Args:
        made: The image.
        credentials: What signs it; None: it is not signed.
    """
    return encode(
        Picture.fromarray(made.pixels),
        ORIGINAL,
        credentials=credentials,
        source_type=made.source_type,
        ingredient=made.ingredient,
    )


def with_proof(made: MadeImage, file: bytes) -> MadeImage:
    """Return an image with what its file proves of a photograph's product.

    Args:
        made: The image.
        file: What `encode_original` returned.

    Raises:
        OSError: The file is damaged.
    """
    if made.quality is None or made.inside is None:
        return made
    quality = proven(made.quality, made.inside, file)
    if not quality["identical"]:
        log.error("the product's pixels in the file are not those that were placed")
    return replace(made, quality=quality)


def describe(claim: Claim, made: MadeImage, stored: StoredObject) -> Image:
    """Return the row of a stored image."""
    # What its photograph said of itself is known here alone.
    quality = made.quality and made.quality | {"source_type": made.source_type}
    return Image(
        tenant=claim.tenant,
        fingerprint=_fingerprint(claim, made),
        generation_id=claim.generation_id,
        key=stored.key,
        content_type=ORIGINAL.content_type,
        digest=stored.digest,
        size=stored.size,
        # An edit with a mask is as large as its photograph.
        width=made.pixels.shape[1],
        height=made.pixels.shape[0],
        seed=claim.spec.noise_seed,
        quality=quality,
        made_of=list(made.made_of) or None,
    )


def _fingerprint(claim: Claim, made: MadeImage) -> str:
    """Return by what an image is found."""
    # One that might have begun with another's latents, and did not, is as good as any.
    exact = None if made.plan.approximation else claim.exact_fingerprint
    return made.fingerprint or exact or claim.fingerprint


def make_known(
    renditions: Renditions, image: Image, channels: Sequence[str], original: bytes
) -> None:
    """Make what the first who asked wants of an image that is recorded.

    Whatever goes wrong is only logged: what is not there is made when somebody asks for it, who is
    told why if it cannot be.
    """
    for name in channels:
        try:
            renditions.get(image, find_channel(name), lambda: original)
        except UnknownChannelError:
            log.warning("rendition not made: this version has no such channel", channel=name)
        except Exception as error:  # S3, Postgres, or an image that does not suit the channel
            log.warning("rendition not made yet", channel=name, reason=first_line(error))
