"""A photograph's product, cut out: found or fetched, read, and kept for the next image of it."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import structlog

from catalogue.cutouts.cutting import cut_out
from catalogue.cutouts.model import Alpha, Rgba
from catalogue.cutouts.segmentation import Segmenter
from catalogue.cutouts.stored import (
    StoredCutout,
    UnreadableCutoutError,
    read_cutout,
    write_cutout,
)
from core.db.engine import Database
from core.db.models import Source
from core.domain.photograph_spec import CUTOUT_REVISION, PhotographSpec, is_address
from core.errors import StoredObjectLostError, first_line
from core.pictures.photograph import read_photograph
from core.pictures.provenance import source_type_of
from core.sources import rows
from core.sources.fetch_errors import PhotographGoneError
from core.sources.fetcher import SourceFetcher
from core.sources.store import SourceStore
from core.storage import STORAGE_ERRORS, Storage

log = structlog.get_logger(__name__)

KEPT = "kept"
"""The photograph was in store when it was asked for; the other outcomes are `FetchOutcome`'s."""


class CutoutOutcome(StrEnum):
    """What it took to cut a product out."""

    CACHED = "cached"
    """It was cut out before."""
    COMPUTED = "computed"
    """It was cut out for this image."""


@dataclass(frozen=True, kw_only=True)
class LocatedPhotograph:
    """A photograph, and the mask that belongs to it, in store."""

    source: Source
    outcome: str
    mask: Source | None = None

    @property
    def digests(self) -> tuple[str, ...]:
        """Return the SHA-256 of both, hex."""
        return tuple(one.digest for one in (self.source, self.mask) if one is not None)


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadPhotograph:
    """A photograph's pixels, and its mask's."""

    pixels: Rgba
    mask: Alpha | None
    """Of any size; None: none came along."""
    source_type: str | None
    """What its file says of how it was made."""
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedProduct:
    """A product that was cut out."""

    stored: StoredCutout
    outcome: CutoutOutcome


class ProductPreparer:
    """Cuts products out; any thread may call it, and no connection is held while it computes."""

    def __init__(
        self,
        *,
        database: Database,
        storage: Storage,
        store: SourceStore,
        fetcher: SourceFetcher,
        network: Segmenter | None = None,
        network_name: str = "",
    ) -> None:
        """Make it.

        Args:
            database: Where photographs' rows are.
            storage: Where cut-outs are kept.
            store: Where photographs are.
            fetcher: Gets those that are at addresses.
            network: See `catalogue.cutouts.cutting.cut_out`.
            network_name: What tells its cut-outs from another one's.
        """
        self._database = database
        self._storage = storage
        self._store = store
        self._fetcher = fetcher
        self._network = network
        self._network_name = network_name

    def locate(self, photograph: PhotographSpec, tenant: str) -> LocatedPhotograph:
        """Find a photograph in store, fetched if need be.

        Raises:
            PackshotError: It cannot be had; the error's type says why: see
                `core.sources.fetcher.SourceFetcher.fetch`.
            BotoCoreError: S3 is away.
            ClientError: S3 refuses.
        """
        source, outcome = self._source(photograph.source, tenant)
        mask = self._source(photograph.mask, tenant)[0] if photograph.mask else None
        return LocatedPhotograph(source=source, outcome=outcome, mask=mask)

    def prepare(self, located: LocatedPhotograph) -> PreparedProduct:
        """Cut a photograph's product out, unless that was done before.

        Raises:
            InvalidImageError: The photograph cannot be used; which error says why.
            PhotographGoneError: Its bytes are lost.
            BotoCoreError: S3 is away.
            ClientError: S3 refuses.
        """
        key = cutout_key(located, self._network_name)
        if (cached := self._cached(located.source, key)) is not None:
            return PreparedProduct(stored=cached, outcome=CutoutOutcome.CACHED)
        photograph = self.read(located)
        cutout = cut_out(photograph.pixels, mask=photograph.mask, network=self._network)
        stored = StoredCutout(
            cutout=cutout, source_type=photograph.source_type, notes=photograph.notes
        )
        self._keep(located.source, key, stored)
        return PreparedProduct(stored=stored, outcome=CutoutOutcome.COMPUTED)

    def read(self, located: LocatedPhotograph) -> ReadPhotograph:
        """Read a photograph and its mask whole.

        Raises:
            InvalidImageError: One of them cannot be used; which error says why.
            PhotographGoneError: The bytes are lost.
            BotoCoreError: S3 is away.
            ClientError: S3 refuses.
        """
        body = self._read(located.source)
        photograph = read_photograph(body)
        return ReadPhotograph(
            pixels=photograph.pixels,
            mask=None if located.mask is None else _mask(self._read(located.mask)),
            source_type=source_type_of(body),
            notes=photograph.notes,
        )

    def close(self) -> None:
        """Close the connections to others' servers."""
        self._fetcher.close()

    def _source(self, named: str, tenant: str) -> tuple[Source, str]:
        if is_address(named):
            fetched = self._fetcher.fetch(named, tenant=tenant)
            with self._database.session() as session:
                return rows.find_source(session, tenant, fetched.source_id), fetched.outcome.value
        with self._database.session() as session:
            found = rows.use(session, tenant=tenant, digest=named)
        if found is None:
            raise PhotographGoneError
        return found, KEPT

    def _read(self, source: Source) -> bytes:
        try:
            return self._store.read(source)
        except StoredObjectLostError as error:
            raise PhotographGoneError(
                "The stored photograph was lost or damaged. Send it again."
            ) from error

    def _cached(self, source: Source, key: str) -> StoredCutout | None:
        if key not in source.cutout_keys:
            return None
        try:
            body = self._storage.find(key)
            return None if body is None else read_cutout(body)
        except UnreadableCutoutError as error:
            log.warning("a kept cut-out is damaged: cut out anew", key=key, reason=str(error))
            return None

    def _keep(self, source: Source, key: str, cutout: StoredCutout) -> None:
        """Keep a cut-out; its key is noted before, so that it goes with its photograph."""
        with self._database.session() as session:
            is_there = rows.note_cutout(session, source.id, key)
        if not is_there:
            return
        try:
            self._storage.put(key, write_cutout(cutout), content_type="application/zip")
        except STORAGE_ERRORS as error:
            # It is only spared the next time.
            log.warning("cut-out not kept", reason=first_line(error))
            return
        with self._database.session() as session:
            deleted = session.get(Source, source.id, populate_existing=True)
        if deleted is None or deleted.doomed_at is not None:
            self._storage.delete([key])


def cutout_key(located: LocatedPhotograph, network_name: str = "") -> str:
    """Return the object key of a photograph's cut-out by this version, its mask or the network."""
    by = f"-{located.mask.digest[:32]}" if located.mask else network_name and f"-{network_name}"
    return f"{located.source.key}.{CUTOUT_REVISION}{by}.zip"


def _mask(body: bytes) -> Alpha:
    """Read a mask: its transparency, else how light it is.

    Raises:
        InvalidImageError: It cannot be read.
    """
    pixels = read_photograph(body).pixels
    if pixels[..., 3].min() < 255:
        return np.ascontiguousarray(pixels[..., 3])
    return np.asarray(np.rint(pixels[..., :3].mean(axis=2)), np.uint8)
