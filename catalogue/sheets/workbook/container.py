"""What a workbook's file is, told by its content, and how large it becomes when it is unpacked."""

import io
import zlib
from collections.abc import Collection, Iterator
from typing import NoReturn
from zipfile import BadZipFile, ZipFile

from catalogue.issues import refuse
from catalogue.sheets.model import SheetFormat

ZIP = b"PK\x03\x04"
COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""How a Compound File begins: an old workbook, or a new one with a password ([MS-CFB])."""
LARGEST_UNPACKED = 256 * 2**20
"""Bytes of all parts together."""
MOST_PARTS = 10_000
_ODS = b"application/vnd.oasis.opendocument.spreadsheet"
_MANIFEST = "META-INF/manifest.xml"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_MACROS = "_VBA_PROJECT_CUR".encode("utf-16-le")
_WORKBOOK = "Workbook".encode("utf-16-le")
_BOOK = "Book".encode("utf-16-le")
_CHUNK = 2**20
_DAMAGED = (
    BadZipFile,
    NotImplementedError,
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    zlib.error,
)
"""What `zipfile` raises for a file that is not as it should be."""


def is_container(content: bytes) -> bool:
    """Check whether a file begins as those of workbooks do."""
    return content.startswith((ZIP, COMPOUND))


def workbook_format(content: bytes) -> SheetFormat:
    """Return which kind of workbook a file is.

    Raises:
        InvalidSheetError: It is none, has macros or a password, is damaged, or unpacks to more than
            a workbook may.
    """
    if content.startswith(COMPOUND):
        return _old_format(content)
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            found = _format(archive)
            _check_size(archive)
    except _DAMAGED as error:
        refuse_damaged(error)
    return found


def _old_format(content: bytes) -> SheetFormat:
    if _ENCRYPTED in content:
        refuse_password()
    if _MACROS in content:
        _refuse_macros(".xls")
    if _WORKBOOK not in content and _BOOK not in content:
        refuse(
            "This is no workbook, but another file of an office program. Save the table as .xlsx "
            "or CSV, and send that."
        )
    return SheetFormat.XLS


def refuse_password() -> NoReturn:
    """Refuse a workbook that has a password.

    Raises:
        InvalidSheetError: always.
    """
    refuse(
        "The workbook is protected by a password and cannot be read. Save it without one (in "
        "Excel: File, Info, Protect Workbook), and send that."
    )


def refuse_damaged(reason: object) -> NoReturn:
    """Refuse a workbook that is not as it should be.

    Raises:
        InvalidSheetError: always.
    """
    refuse(
        f"The workbook is damaged ({reason}). Save it again, or export it as CSV, and send that."
    )


def _refuse_macros(extension: str) -> NoReturn:
    refuse(
        "The workbook has macros, and such files are not taken. Save it without them as .xlsx, "
        f"not as {extension}, and send that."
    )


def _format(archive: ZipFile) -> SheetFormat:
    names = set(archive.namelist())
    if len(names) > MOST_PARTS:
        refuse(f"The file has {len(names):,} parts; a workbook has at most {MOST_PARTS:,}.")
    if any(one.flag_bits & 1 for one in archive.infolist()):
        refuse_password()
    if "mimetype" in names and _read(archive, "mimetype").strip() == _ODS:
        _check_ods(archive, names)
        return SheetFormat.ODS
    if any(name.endswith("vbaProject.bin") for name in names):
        _refuse_macros(".xlsm")
    if "[Content_Types].xml" not in names or "xl/workbook.xml" not in names:
        refuse(_other_zip(names))
    return SheetFormat.XLSX


def _check_ods(archive: ZipFile, names: Collection[str]) -> None:
    if _MANIFEST in names and b"encryption-data" in _read(archive, _MANIFEST):
        refuse_password()
    if any(name.startswith(("Basic/", "Scripts/")) for name in names):
        _refuse_macros(".ods")


def _other_zip(names: Collection[str]) -> str:
    """Return what to say of a zip file that is no workbook."""
    if "xl/workbook.bin" in names:
        return "This is a binary workbook (.xlsb). Save it as .xlsx, and send that."
    if any(name.startswith("Index/") and name.endswith(".iwa") for name in names):
        return "This is a Numbers document. Export it as Excel or CSV, and send that."
    return (
        "This is a zip file and no workbook. Send the sheet in it by itself, as .xlsx, .ods, CSV "
        "or a feed."
    )


def _read(archive: ZipFile, name: str) -> bytes:
    """Return the beginning of a part, which is all of it in any workbook."""
    with archive.open(name) as part:
        return part.read(_CHUNK)


def _check_size(archive: ZipFile) -> None:
    """Unpack everything once: what a zip file says of its sizes need not be true."""
    unpacked = 0
    for part in archive.infolist():
        for chunk in chunks_of(archive, part.filename):
            unpacked += len(chunk)
            if unpacked > LARGEST_UNPACKED:
                refuse(
                    f"The workbook unpacks to more than {LARGEST_UNPACKED // 2**20} MiB, which is "
                    "the most of one. Save its table as CSV, or split it."
                )


def chunks_of(archive: ZipFile, name: str) -> Iterator[bytes]:
    """Unpack a part piece by piece.

    Raises:
        BadZipFile: It is not what the zip file says of it.
    """
    with archive.open(name) as part:
        while chunk := part.read(_CHUNK):
            yield chunk
