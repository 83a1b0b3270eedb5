"""Backgrounds of scenes: found in store, or drawn once and kept as ordinary images."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from io import BytesIO

import numpy as np
import structlog
from numpy.typing import NDArray
from PIL import Image as Picture

from core.db.engine import DATABASE_ERRORS, Database
from core.db.models import Image
from core.db.models.columns import new_id
from core.domain.image_spec import ModelInput
from core.errors import StoredObjectLostError, first_line
from core.lifecycle import completion
from core.lifecycle.claims import Claim
from core.lifecycle.completion import Finished
from core.lifecycle.deduplication import FOR_EVER, find_stored, note_uses
from core.pictures.credentials import Credentials
from core.pictures.marking import Watermark
from core.pictures.provenance import TRAINED
from core.storage import STORAGE_ERRORS, Storage
from worker.pictures import ORIGINAL, MadeImage, describe, encode_original, watermarked
from worker.rows import RowCanceledError, RowExpiredError, RowHandedBackError, RowResult
from worker.scenes.flights import Flights

log = structlog.get_logger(__name__)


class BackgroundOutcome(StrEnum):
    """What it took to have a background."""

    CACHED = "cached"
    """It was drawn before."""
    SHARED = "shared"
    """It was being drawn for another scene."""
    COMPUTED = "computed"
    """It was drawn for this one."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Background:
    """What a product is put into."""

    pixels: NDArray[np.uint8]
    """(height, width, 3), sRGB, as the model drew it, but for the rounding of `_clean`."""
    outcome: BackgroundOutcome
    seconds: float = 0.0
    """What drawing it took for this scene."""


class Backgrounds:
    """Finds backgrounds or has them drawn; any thread may ask."""

    def __init__(
        self,
        *,
        database: Database,
        storage: Storage,
        credentials: Credentials | None = None,
        watermark: Watermark | None = None,
    ) -> None:
        """Make it.

        Args:
            database: Where images are recorded.
            storage: Where they are.
            credentials: What signs them; None: they are not signed.
            watermark: What they are marked with in store; None: nothing.
        """
        self._database = database
        self._storage = storage
        self._credentials = credentials
        self._watermark = watermark
        # What ended the row of one scene is no reason for another.
        self._flights: Flights[Background] = Flights(
            own=(RowCanceledError, RowExpiredError, RowHandedBackError)
        )

    def get(
        self,
        claim: Claim,
        reads: ModelInput,
        draw: Callable[[], RowResult],
        *,
        check: Callable[[], None],
    ) -> Background:
        """Return the background of a scene.

        Args:
            claim: The scene's.
            reads: What of a request its model sees.
            draw: Has the engine draw it.
            check: Raises where the scene is not wanted any more.

        Raises:
            RowError: It was not drawn.
            BotoCoreError: S3 is away.
            ClientError: S3 refuses.
        """
        spec = claim.spec.drawn
        fingerprint = spec.fingerprint(claim.bundle_revision, reads=reads)
        own = replace(claim, generation_id=new_id(), spec=spec, fingerprint=fingerprint, attempt=1)
        background, is_mine = self._flights.run(
            (claim.tenant, fingerprint),
            lambda: self._find(own) or self._draw(own, draw),
            check=check,
        )
        if is_mine or background.outcome is BackgroundOutcome.CACHED:
            return background
        return replace(background, outcome=BackgroundOutcome.SHARED, seconds=0.0)

    def _find(self, own: Claim) -> Background | None:
        with self._database.session() as session:
            found = find_stored(
                session, own.tenant, [own.fingerprint], ttl_seconds=FOR_EVER, lock=False
            )
            if not found:
                return None
            image = session.get(Image, found[own.fingerprint].image_id)
            if image is None:
                return None
            note_uses(session, {image.id: 1})
            session.flush()
            session.refresh(image)
            session.expunge(image)
        try:
            body = self._storage.read(image)
        except StoredObjectLostError as error:
            log.warning("a background is lost: drawn anew", reason=first_line(error))
            return None
        pixels = np.asarray(Picture.open(BytesIO(body)).convert("RGB"))
        return Background(pixels=self._clean(own, pixels), outcome=BackgroundOutcome.CACHED)

    def _draw(self, own: Claim, draw: Callable[[], RowResult]) -> Background:
        result = draw()
        drawn = MadeImage(pixels=result.image, seconds=result.seconds)
        # It answers requests for itself, too.
        made = watermarked(own, drawn, self._watermark)
        try:
            self._keep(own, made)
        except (*STORAGE_ERRORS, *DATABASE_ERRORS) as error:
            # The scene has it; the next one draws it anew.
            log.warning("background not kept", reason=first_line(error))
        return Background(
            pixels=self._clean(own, made.pixels),
            outcome=BackgroundOutcome.COMPUTED,
            seconds=result.seconds,
        )

    def _clean(self, own: Claim, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Take the mark off again, of what was just drawn as of what is read.

        It cannot be done without rounding: so a scene is the same with either, and gets its own.
        """
        if self._watermark is None:
            return pixels
        return self._watermark.lift(pixels, source_type=TRAINED, fingerprint=own.fingerprint)

    def _keep(self, own: Claim, made: MadeImage) -> None:
        """Store a background, and record it as an image that somebody might have asked for."""
        stored = self._storage.put_image(
            encode_original(made, self._credentials),
            tenant=own.tenant,
            fingerprint=own.fingerprint,
            extension=ORIGINAL.extension,
            content_type=ORIGINAL.content_type,
            generation_id=own.generation_id,
        )
        image = describe(own, made, stored)
        with self._database.session() as session:
            completion.record_drawn(session, Finished(claim=own, image=image, seconds=made.seconds))
