"""Photographs in a ZIP file. Nothing is unpacked: entries are read one by one."""

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import IO, Self

from core.errors import InvalidRequestError

EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".gif"}
)
"""What names of photographs end with; a server looks at their bytes."""
LONGEST_LIST = 64 * 2**20
"""Bytes of a ZIP file's list of entries, which is read whole."""
_PIECE_BYTES = 2**20


def is_photograph(name: str) -> bool:
    """Check whether a path may be a photograph's, and not what systems leave beside one."""
    path = PurePosixPath(name)
    hidden = "__MACOSX" in path.parts or any(
        part.startswith(".") and part != ".." for part in path.parts
    )
    return path.suffix.lower() in EXTENSIONS and not hidden


class PhotographArchive:
    """A ZIP file: its paths are names only, so they lead nowhere."""

    names: Sequence[str]
    """Of its photographs, with slashes, sorted, each once."""

    def __init__(
        self, file: Path | IO[bytes], *, name: str, longest_list: int = LONGEST_LIST
    ) -> None:
        """Read its list of entries.

        Args:
            file: Where it is, or the open file, which is left open.
            name: What to call it where something is wrong with it.
            longest_list: Bytes of the list at most.

        Raises:
            InvalidRequestError: It is damaged, or lists more than it may.
        """
        self._stack = ExitStack()
        stream = self._stack.enter_context(file.open("rb")) if isinstance(file, Path) else file
        try:
            archive = zipfile.ZipFile(_ShortReads(stream, longest_list))
        except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
            self.close()
            raise InvalidRequestError(
                f"{name} is a damaged ZIP file ({error}). Pack it again."
            ) from error
        self._archive = self._stack.enter_context(archive)
        # Of two entries with one path the last one counts, as for every program that unpacks them.
        self._entries: Mapping[str, zipfile.ZipInfo] = {
            path: entry
            for entry in archive.infolist()
            if not entry.is_dir() and is_photograph(path := entry.filename.replace("\\", "/"))
        }
        self.names = sorted(self._entries)

    def copy(self, name: str, target: IO[bytes], *, most_bytes: int) -> int:
        """Write an entry's bytes to a file; no more is unpacked than that.

        Args:
            name: One of its photographs.
            target: Where to.
            most_bytes: Of the entry, whatever the ZIP file says of it.

        Returns:
            How many there were.

        Raises:
            InvalidRequestError: There are more, of which one was written; it is damaged, or needs
                a password.
        """
        try:
            with self._archive.open(self._entries[name]) as entry:
                return _copy(entry, target, name, most_bytes)
        except (
            zipfile.BadZipFile,
            RuntimeError,
            EOFError,
            OSError,
            ValueError,
            zlib.error,
        ) as error:
            if isinstance(error, RuntimeError) and "password" in str(error):
                raise InvalidRequestError(
                    f"{name} needs a password. Pack the photographs without one."
                ) from error
            raise InvalidRequestError(
                f"{name} cannot be read from the ZIP file ({error}). Pack it again."
            ) from error

    def close(self) -> None:
        """Close what was opened here."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: object, __: TracebackType | None
    ) -> None:
        self.close()


def _copy(entry: IO[bytes], target: IO[bytes], name: str, most_bytes: int) -> int:
    left = most_bytes + 1
    while piece := entry.read(min(_PIECE_BYTES, left)):
        target.write(piece)
        left -= len(piece)
        if not left:
            raise InvalidRequestError(
                f"{name} is larger than {most_bytes / 2**20:,.0f} MiB. Make it smaller."
            )
    return most_bytes + 1 - left


class _ShortReads(io.BufferedIOBase):
    """A file of which nothing long is read at once: `zipfile` reads the list of entries so."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream = stream
        self._most = most

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self._most:
            raise zipfile.BadZipFile(f"its list of entries has more than {self._most:,} bytes")
        return self._stream.read(-1 if size is None else size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def seekable(self) -> bool:
        return True
