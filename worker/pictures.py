"""What becomes of computed pixels: a file, its row, and the renditions that are wanted already."""

from collections.abc import Sequence

import numpy as np
import structlog
from numpy.typing import NDArray
from PIL import Image as Picture

from catalogue.channels import UnknownChannelError, find_channel
from catalogue.renditions.store import Renditions
from core.db.models import Image
from core.errors import first_line
from core.lifecycle.claims import Claim
from core.pictures.credentials import Credentials
from core.pictures.encoding import encode
from core.pictures.formats import Format
from core.storage import StoredObject
from worker.approximate.cache import StartPlan

log = structlog.get_logger(__name__)

ORIGINAL = Format.PNG


def encode_original(pixels: NDArray[np.uint8], credentials: Credentials | None = None) -> bytes:
    """Encode an image without loss, marked as made by a model.

    Args:
        pixels: (height, width, 3), RGB.
        credentials: What signs it; None: it is not signed.
    """
    return encode(Picture.fromarray(pixels), ORIGINAL, credentials=credentials)


def describe(claim: Claim, plan: StartPlan, stored: StoredObject) -> Image:
    """Return the row of a stored image."""
    # One that might have begun with another's latents, and did not, is as good as any.
    exact = None if plan.approximation else claim.exact_fingerprint
    return Image(
        tenant=claim.tenant,
        fingerprint=exact or claim.fingerprint,
        generation_id=claim.generation_id,
        key=stored.key,
        content_type=ORIGINAL.content_type,
        digest=stored.digest,
        size=stored.size,
        width=claim.spec.width,
        height=claim.spec.height,
        seed=claim.spec.noise_seed,
    )


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
