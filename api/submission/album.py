"""Photographs that come together, as files or in ZIP files, and are kept one by one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import IO
from uuid import UUID

from fastapi import Request

from api.services import Services
from api.submission.form_parts import FormField, FormFile, form_parts
from catalogue.checks import check_line
from catalogue.photograph_archive import EXTENSIONS, PhotographArchive
from core.budgets import source_limit
from core.db.models import ApiKey
from core.errors import InvalidRequestError, PackshotError, SourcesFullError, TooLargeError
from core.sources.file_names import clean_file_name
from core.sources.store import IN_MEMORY_BYTES, Kept

FIELD = "photos"
"""The form's field that they come in."""
MOST_PHOTOGRAPHS = 2000
"""Of one album: a page carries their list."""
LONGEST_PATH = 300
SHOWN_REFUSALS = 100
LONGEST_LIST = 2 * 2**20
"""Bytes of a ZIP file's list: room for ten times as many entries."""
_ZIP = b"PK\x03\x04"
_OF_FILES = (InvalidRequestError.status, TooLargeError.status, SourcesFullError.status)
"""Statuses of what is wrong with one file, and no reason to refuse the others."""
_FULL = (
    f"There are {MOST_PHOTOGRAPHS:,} photographs already, which is the limit of this page. Send "
    "the rest in a batch of its own, or all of them with `packshot submit --photos`."
)


@dataclass(kw_only=True)
class KeptAlbum:
    """What became of the files."""

    kept: dict[str, UUID] = field(default_factory=dict)
    """Sources by the files' paths, with slashes."""
    refused: dict[str, str] = field(default_factory=dict)
    """Why files were refused: the first `SHOWN_REFUSALS`, by path."""
    refusals: int = 0

    @classmethod
    def read(cls, written: str) -> "KeptAlbum":
        """Read what `write` wrote.

        Raises:
            InvalidRequestError: It is something else.
        """
        album = cls()
        for line in filter(None, written.replace("\r\n", "\n").split("\n")):
            identity, _, path = line.partition(" ")
            try:
                album.kept[path] = UUID(identity)
            except ValueError as error:
                raise InvalidRequestError(
                    "The list of photographs is damaged. Load the page again, and send them once "
                    "more: those that are there are not stored twice."
                ) from error
        return album

    def write(self) -> str:
        """Return the list of what was kept as a text, a line each."""
        return "\n".join(f"{identity.hex} {path}" for path, identity in self.kept.items())

    def add(self, other: "KeptAlbum") -> None:
        """Add what came earlier or elsewhere; of two files with one path this one's stays."""
        for path, identity in other.kept.items():
            if path in self.kept or len(self.kept) < MOST_PHOTOGRAPHS:
                self.kept.setdefault(path, identity)
            else:
                self.refuse(path, _FULL)

    def refuse(self, path: str, reason: str) -> None:
        """Note a file that was not kept."""
        self.refusals += 1
        if len(self.refused) < SHOWN_REFUSALS:
            self.refused[path] = reason


async def receive_album(
    request: Request,
    services: Services,
    caller: ApiKey,
    admit: Callable[[Mapping[str, str]], None],
) -> tuple[KeptAlbum, dict[str, str]]:
    """Receive a form with photographs, and keep each as it comes; no transaction is open.

    Args:
        request: Its body is read here.
        services: Where they are kept.
        caller: Whose they become.
        admit: Called with the fields before anything is kept; refuses by raising.

    Returns:
        What became of the photographs, and the form's other fields.

    Raises:
        TooManyUploadsError: The tenant sends as many albums as it may at the same time.
        UploadsBusyError: All tenants together do.
        InvalidRequestError: The form cannot be read.
        TooLargeError: Its fields are too long.
        BotoCoreError: S3 is away; what was kept before is found again when it is sent again.
        ClientError: S3 refuses; the same.
    """
    fields: dict[str, str] = {}
    receiver = _Receiver(services, caller)
    with services.uploads.receiving_many(caller.tenant):
        async for part in form_parts(request):
            if isinstance(part, FormField):
                fields[part.name] = part.value
            elif part.name == FIELD and part.file_name:
                admit(fields)
                await receiver.receive(part)
    admit(fields)
    return receiver.album, fields


class _Receiver:
    """Keeps the files of one form."""

    def __init__(self, services: Services, caller: ApiKey) -> None:
        self.album = KeptAlbum()
        self._sources = services.sources
        self._threads = services.uploads.threads
        self._tenant = caller.tenant
        self._tenant_bytes = source_limit(caller, services.settings)
        self._most_unpacked = services.settings.max_album_bytes
        self._unpacked = 0

    async def receive(self, part: FormFile) -> None:
        """Keep a photograph, or those in a ZIP file."""
        if part.stream.read(len(_ZIP)) == _ZIP:
            await self._unpack(part)
        else:
            await self._keep(part.file_name, lambda path: self._store(path, part.stream))

    async def _unpack(self, part: FormFile) -> None:
        name = clean_file_name(part.file_name) or "The file"
        opened = partial(PhotographArchive, part.stream, name=name, longest_list=LONGEST_LIST)
        try:
            archive = await self._threads.run(self._tenant, opened)
        except InvalidRequestError as error:
            self.album.refuse(name, error.detail)
            return
        with archive:
            if not archive.names:
                known = ", ".join(sorted(EXTENSIONS))
                self.album.refuse(name, f"There is no photograph in it ({known}).")
            for entry in archive.names:
                await self._keep(entry, partial(self._store_entry, archive, entry))

    async def _keep(self, name: str, store: Callable[[str], Kept]) -> None:
        """Keep one photograph in a thread, or note why it is refused."""
        path = _path(name)
        if not path:
            self.album.refuse("A file", "Its name is no line of text. Give it another one.")
        elif len(self.album.kept) >= MOST_PHOTOGRAPHS:
            self.album.refuse(path, _FULL)
        else:
            try:
                kept = await self._threads.run(self._tenant, partial(store, path))
            except PackshotError as error:
                if error.status not in _OF_FILES:
                    raise
                self.album.refuse(path, error.detail)
            else:
                self.album.kept[path] = kept.source_id

    def _store_entry(self, archive: PhotographArchive, entry: str, path: str) -> Kept:
        if self._unpacked >= self._most_unpacked:
            raise TooLargeError(
                f"The photographs of the ZIP file have more than {self._most_unpacked:,} bytes "
                "(PACKSHOT_MAX_ALBUM_BYTES). Send it in parts."
            )
        with SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as target:
            try:
                archive.copy(entry, target, most_bytes=self._sources.max_bytes)
            finally:
                # What was too large counts as far as it was unpacked.
                self._unpacked += target.tell()
            return self._store(path, target)

    def _store(self, path: str, stream: IO[bytes]) -> Kept:
        return self._sources.keep(
            stream,
            tenant=self._tenant,
            file_name=clean_file_name(path),
            tenant_bytes=self._tenant_bytes,
        )


def _path(name: str) -> str:
    """Return a file's path as it is listed: whole, else its end; empty where it is no text."""
    path = name.replace("\\", "/").strip()
    return clean_file_name(path) if check_line(path) or len(path) > LONGEST_PATH else path
