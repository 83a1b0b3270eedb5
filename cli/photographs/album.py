"""A folder or a ZIP file of photographs. Nothing is unpacked: files are read one by one."""

import os
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import IO, Self

from cli.errors import UsageError

MOST_FILES = 200_000
MOST_BYTES = 64 * 2**20
"""Of one photograph, whatever a ZIP file says of it; servers take less."""

EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".avif", ".tif", ".tiff", ".bmp", ".gif"}
)
"""What names of photographs end with; a server looks at their bytes."""


class Album(ABC):
    """Photographs, by paths with slashes."""

    names: Sequence[str]
    """Sorted, each once."""

    def read(self, name: str) -> bytes:
        """Return a file's bytes.

        Raises:
            UsageError: It is larger than any photograph, or cannot be read.
        """
        with self._open(name) as stream:
            content = stream.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise UsageError(f"{name} is larger than {MOST_BYTES // 2**20} MiB. Make it smaller.")
        return content

    @abstractmethod
    def _open(self, name: str) -> IO[bytes]:
        """Open a file."""

    @abstractmethod
    def close(self) -> None:
        """Close what is open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_album(path: Path) -> Album:
    """Open a folder, a ZIP file or one photograph.

    Raises:
        UsageError: It is none of these, or has no photograph in it.
    """
    album: Album
    if path.is_dir():
        album = _Folder(path)
    elif not path.is_file():
        raise UsageError(f"There is neither a folder nor a file {path}.")
    elif zipfile.is_zipfile(path):
        album = _Zip(path)
    elif is_photograph(path.name):
        album = _Folder(path.parent, only=path.name)
    else:
        raise UsageError(
            f"{path} is neither a folder, nor a ZIP file, nor a photograph "
            f"({', '.join(sorted(EXTENSIONS))})."
        )
    if not album.names:
        album.close()
        raise UsageError(f"There is no photograph in {path} ({', '.join(sorted(EXTENSIONS))}).")
    return album


def is_photograph(name: str) -> bool:
    """Check whether a path may be a photograph's, and not what systems leave beside one."""
    path = PurePosixPath(name)
    hidden = "__MACOSX" in path.parts or any(
        part.startswith(".") and part != ".." for part in path.parts
    )
    return path.suffix.lower() in EXTENSIONS and not hidden


def _checked(names: Sequence[str], where: Path) -> Sequence[str]:
    if len(names) > MOST_FILES:
        raise UsageError(f"{where} has more than {MOST_FILES:,} photographs. Send it in parts.")
    return sorted(names)


class _Folder(Album):
    """A folder, with those in it; links to folders are not followed."""

    def __init__(self, folder: Path, *, only: str | None = None) -> None:
        self._folder = folder
        if only is not None:
            self.names = [only]
            return
        found = []
        for root, _, files in os.walk(folder):
            inner = Path(root).relative_to(folder)
            found += [path for file in files if is_photograph(path := (inner / file).as_posix())]
        self.names = _checked(found, folder)

    def _open(self, name: str) -> IO[bytes]:
        return (self._folder / name).open("rb")

    def close(self) -> None:
        """Close nothing: files are closed when they were read."""


class _Zip(Album):
    """A ZIP file: its paths are names only, so they lead nowhere."""

    def __init__(self, file: Path) -> None:
        self._stack = ExitStack()
        try:
            self._zip = self._stack.enter_context(zipfile.ZipFile(file))
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise UsageError(f"{file} is a damaged ZIP file ({error}). Pack it again.") from error
        # Of two entries with one path the last one counts, as for every program that unpacks them.
        self._entries: Mapping[str, zipfile.ZipInfo] = {
            name: entry
            for entry in self._zip.infolist()
            if not entry.is_dir() and is_photograph(name := entry.filename.replace("\\", "/"))
        }
        self.names = _checked(list(self._entries), file)

    def read(self, name: str) -> bytes:
        """Return an entry's bytes; no more is unpacked than a photograph may have.

        Raises:
            UsageError: It is larger than any photograph, damaged, or needs a password.
        """
        try:
            return super().read(name)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError) as error:
            if isinstance(error, RuntimeError) and "password" in str(error):
                raise UsageError(
                    f"{name} needs a password. Pack the photographs without one."
                ) from error
            raise UsageError(
                f"{name} cannot be read from the ZIP file ({error}). Pack it again."
            ) from error

    def _open(self, name: str) -> IO[bytes]:
        return self._zip.open(self._entries[name])

    def close(self) -> None:
        """Close the file."""
        self._stack.close()
