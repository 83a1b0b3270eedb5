"""A folder or a ZIP file of photographs. Nothing is unpacked: files are read one by one."""

import io
import os
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from catalogue.photograph_archive import EXTENSIONS, PhotographArchive, is_photograph
from cli.errors import UsageError
from core.errors import InvalidRequestError

MOST_FILES = 200_000
MOST_BYTES = 64 * 2**20
"""Of one photograph, whatever a ZIP file says of it; servers take less."""


class Album(ABC):
    """Photographs, by paths with slashes."""

    names: Sequence[str]
    """Sorted, each once."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return a file's bytes.

        Raises:
            UsageError: It is larger than any photograph, or cannot be read.
        """

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

    def read(self, name: str) -> bytes:
        """Return a file's bytes.

        Raises:
            UsageError: It is larger than any photograph.
        """
        with (self._folder / name).open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise UsageError(f"{name} is larger than {MOST_BYTES // 2**20} MiB. Make it smaller.")
        return content

    def close(self) -> None:
        """Close nothing: files are closed when they were read."""


class _Zip(Album):
    """A ZIP file."""

    def __init__(self, file: Path) -> None:
        try:
            self._archive = PhotographArchive(file, name=str(file))
        except InvalidRequestError as error:
            raise UsageError(error.detail) from error
        self.names = _checked(self._archive.names, file)

    def read(self, name: str) -> bytes:
        """Return an entry's bytes; no more is unpacked than a photograph may have.

        Raises:
            UsageError: It is larger than any photograph, damaged, or needs a password.
        """
        content = io.BytesIO()
        try:
            self._archive.copy(name, content, most_bytes=MOST_BYTES)
        except InvalidRequestError as error:
            raise UsageError(error.detail) from error
        return content.getvalue()

    def close(self) -> None:
        """Close the file."""
        self._archive.close()
