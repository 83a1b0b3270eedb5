"""Compiled models between two starts, with a checksum beside each.

OpenVINO notices no damage to a blob's weights: it computes something else with them.
"""

import zlib
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import structlog

BLOBS = "*.blob"
SUM = ".crc32"
"""What is added to a blob's name for the file with its checksum."""
PIECE_BYTES = 2**20

log = structlog.get_logger(__name__)


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
