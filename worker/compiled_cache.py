"""Compiled models between two starts, with a checksum beside each.

OpenVINO notices no damage to a blob's weights: it computes something else with them.
"""

import os
import shutil
import time
import zlib
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import structlog

BLOBS = "*.blob"
SUM = ".crc32"
"""What is added to a blob's name for the file with its checksum."""
PIECE_BYTES = 2**20
KEPT_SECONDS = 30 * 86400.0
"""How long what no worker has loaded is kept: bundles are replaced, OpenVINO and CPUs change."""

log = structlog.get_logger(__name__)


def folder_of(home: Path, revision: str) -> Path:
    """Return the folder of a bundle's blobs, marked as used now; others' that are old are deleted.

    Nothing is made, and nothing said, where the disk does not let it: whoever compiles will say so.

    Args:
        home: `PACKSHOT_HOME`.
        revision: The bundle's.
    """
    everything = home / "compiled"
    folder = everything / revision[:32]
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        _drop_old(everything)
    return folder


def _drop_old(everything: Path) -> None:
    for path in everything.iterdir():
        if time.time() - path.stat().st_mtime < KEPT_SECONDS:
            continue
        log.info("compiled models of a bundle deleted: unused for a month", path=str(path))
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def drop_damaged(folder: Path) -> None:
    """Delete blobs with other bytes than were written, so that they are compiled anew.

    So are those without a checksum: whoever wrote them ended meanwhile, or made none. Each blob is
    read once in a process. The checksum is CRC-32: disks rot, nobody forges.
    """
    for blob in folder.glob(BLOBS):
        written = _written(blob)
        if written == _checksum(blob):
            continue
        log.warning("compiled anew", file=str(blob), reason="damaged" if written else "no checksum")
        _sum_file(blob).unlink(missing_ok=True)
        blob.unlink()


def note_checksums(folder: Path) -> None:
    """Write the checksums of blobs that are new; where the disk is full, there are none."""
    for blob in folder.glob(BLOBS):
        checksum = _checksum(blob)
        if checksum != _written(blob):
            with suppress(OSError):
                _sum_file(blob).write_text(checksum)


def _sum_file(blob: Path) -> Path:
    return blob.with_name(blob.name + SUM)


def _written(blob: Path) -> str | None:
    try:
        return _sum_file(blob).read_text()
    except (OSError, UnicodeDecodeError):
        return None


def _checksum(blob: Path) -> str:
    found = blob.stat()
    return _checksum_of(blob, (found.st_mtime_ns, found.st_size))


@lru_cache(maxsize=1024)
def _checksum_of(blob: Path, _mark: tuple[int, int]) -> str:
    checksum = 0
    with blob.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            checksum = zlib.crc32(piece, checksum)
    return f"{checksum:08x}"
