"""The store of photographs: S3 and their rows together."""

import hashlib
from dataclasses import dataclass
from typing import IO
from uuid import UUID

from core.db.engine import Database
from core.db.models import Source
from core.db.models.columns import new_id
from core.errors import NotFoundError, StoredObjectLostError, TooLargeError
from core.object_keys import source_key
from core.pictures.headers import PictureHeader, read_header
from core.sources import rows
from core.storage import Storage

IN_MEMORY_BYTES = 2**20
"""Of one photograph while it comes; the rest of it waits in a temporary file without a name."""
_PIECE_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A photograph that is in store."""

    source_id: UUID
    is_new: bool
    """Whether it was not there before."""


class SourceStore:
    """Keeps photographs as they come; any number of stores may do so at once.

    No connection to Postgres is held while S3 is written to.
    """

    def __init__(
        self, *, database: Database, storage: Storage, max_bytes: int, tenant_bytes: int = 0
    ) -> None:
        """Make it.

        Args:
            database: Where the rows are.
            storage: Where the bytes are.
            max_bytes: Of one photograph.
            tenant_bytes: Of all photographs of a tenant, where nobody says otherwise; 0: no limit.
        """
        self._database = database
        self._storage = storage
        self.max_bytes = max_bytes
        self._tenant_bytes = tenant_bytes

    def keep(
        self,
        stream: IO[bytes],
        *,
        tenant: str,
        file_name: str = "",
        tenant_bytes: int | None = None,
    ) -> Kept:
        """Keep a file, untouched, if it is a photograph that the tenant does not have.

        Args:
            stream: The file, which can be sought in.
            tenant: Whose it is.
            file_name: What it is called, for people.
            tenant_bytes: Of all photographs of the tenant, with this one; 0: no limit, None: as
                the store's.

        Raises:
            TooLargeError: It has too many bytes.
            InvalidImageError: It is no photograph that can be used; which error says why.
            SourcesFullError: The tenant has no room for it.
            NotFoundError: Its tenant was erased meanwhile.
            BotoCoreError: S3 is away; nothing was kept.
            ClientError: S3 refuses; the same.
        """
        size = stream.seek(0, 2)
        if size > self.max_bytes:
            raise TooLargeError(
                f"The photograph has {size:,} bytes, and {self.max_bytes:,} are the most "
                "(PACKSHOT_MAX_SOURCE_BYTES). Make it smaller."
            )
        stream.seek(0)
        header = read_header(stream)
        digest = _digest(stream)
        if found := self._present(tenant, digest):
            return Kept(source_id=found, is_new=False)
        source = _row(header, tenant=tenant, digest=digest, size=size, file_name=file_name)
        most = self._tenant_bytes if tenant_bytes is None else tenant_bytes
        return self._store(stream, source, most)

    def _present(self, tenant: str, digest: str) -> UUID | None:
        """Find these bytes in store; a row whose object S3 lost is deleted."""
        with self._database.session() as session:
            found = rows.use(session, tenant=tenant, digest=digest)
        if found is None:
            return None
        try:
            self._storage.check_presence(found)
        except StoredObjectLostError:
            self.lose(found.id)
            return None
        return found.id

    def _store(self, stream: IO[bytes], source: Source, tenant_bytes: int) -> Kept:
        with self._database.session() as session:
            rows.begin(session, source, most_bytes=tenant_bytes)
        stream.seek(0)
        self._storage.put(source.key, stream, content_type=source.content_type)
        with self._database.session() as session:
            published = rows.publish(session, source)
        if published is None:
            raise NotFoundError("The photograph was deleted while it was stored. Send it again.")
        return Kept(source_id=published.id, is_new=published.id == source.id)

    def lose(self, source_id: UUID) -> None:
        """Delete a photograph whose object is missing or damaged: sent again, it is stored anew."""
        with self._database.session() as session:
            rows.lose(session, source_id)

    def read(self, source: Source) -> bytes:
        """Return a photograph's bytes, compared with its digest.

        Raises:
            StoredObjectLostError: They are missing or damaged; it is found no more.
        """
        try:
            return self._storage.read(source)
        except StoredObjectLostError:
            self.lose(source.id)
            raise


def _digest(stream: IO[bytes]) -> str:
    stream.seek(0)
    digest = hashlib.sha256()
    while piece := stream.read(_PIECE_BYTES):
        digest.update(piece)
    return digest.hexdigest()


def _row(header: PictureHeader, *, tenant: str, digest: str, size: int, file_name: str) -> Source:
    identity = new_id()
    return Source(
        id=identity,
        tenant=tenant,
        key=source_key(
            tenant=tenant, source_id=identity, digest=digest, extension=header.extension
        ),
        digest=digest,
        size=size,
        content_type=header.content_type,
        width=header.width,
        height=header.height,
        file_name=file_name,
    )
