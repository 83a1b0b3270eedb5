"""A form with many files, part by part as they come: no more than one of them is held.

`request.form()` keeps every file of a form open until the last one is there.
"""

from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import IO

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from api.submission.upload import MOST_FIELDS
from core.errors import InvalidRequestError, TooLargeError, UnsupportedMediaTypeError
from core.sources.store import IN_MEMORY_BYTES

MOST_OF_FIELDS = 2**20
"""Bytes of all values together."""


@dataclass(frozen=True, kw_only=True)
class FormField:
    """A value."""

    name: str
    value: str


@dataclass(frozen=True, kw_only=True)
class FormFile:
    """A file, open until the next part is asked for."""

    name: str
    """Of the field."""
    file_name: str
    """As its sender says it; empty: none was chosen."""
    stream: IO[bytes]


async def form_parts(request: Request) -> AsyncIterator[FormField | FormFile]:
    """Yield a form's parts in their order.

    Raises:
        UnsupportedMediaTypeError: The body is no form with files.
        InvalidRequestError: It cannot be read, or ends in the middle of a part.
        TooLargeError: Its values are too long or too many.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise UnsupportedMediaTypeError("Send the photographs as `multipart/form-data`.")
    parts = _Parts(options[b"boundary"])
    try:
        async for chunk in request.stream():
            # Files are written to a disk, which may be slow.
            await run_in_threadpool(parts.write, chunk)
            for part in parts.take():
                yield part
    except FormParserError as error:
        raise InvalidRequestError(
            f"The form cannot be read ({error}). Load the page again, and send it once more."
        ) from error
    finally:
        parts.close()
    if parts.is_open:
        raise InvalidRequestError("The form ends in the middle. Send it once more.")


class _Parts:
    """Gathers parts from the pieces of a body."""

    def __init__(self, boundary: bytes) -> None:
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._on_header_name,
                "on_header_value": self._on_header_value,
                "on_header_end": self._end_header,
                "on_headers_finished": self._open,
                "on_part_data": self._on_data,
                "on_part_end": self._end,
            },
        )
        self._ready: deque[FormField | FormFile] = deque()
        self._content: IO[bytes] = BytesIO()
        self._fields = 0
        self._bytes = 0
        self.is_open = False
        """Whether a part has begun and not ended."""

    def write(self, chunk: bytes) -> None:
        """Take the next piece of the body."""
        self._parser.write(chunk)

    def take(self) -> Iterator[FormField | FormFile]:
        """Yield the parts that are there, and close files behind them."""
        while self._ready:
            part = self._ready[0]
            yield part
            self._ready.popleft()
            if isinstance(part, FormFile):
                part.stream.close()

    def close(self) -> None:
        """Close what is open, wherever the body ended."""
        self._content.close()
        for part in self._ready:
            if isinstance(part, FormFile):
                part.stream.close()

    def _begin(self) -> None:
        self.is_open = True
        self._header, self._value, self._disposition = b"", b"", b""

    def _on_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header, self._value = b"", b""

    def _open(self) -> None:
        _, options = parse_options_header(self._disposition)
        if b"name" not in options:
            raise FormParserError("a part has no name")
        self._name = options[b"name"].decode(errors="replace")
        named = options.get(b"filename")
        self._file_name = None if named is None else named.decode(errors="replace")
        # Closed behind the part.
        self._content = SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115
        if named is None:
            self._fields += 1

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._file_name is None:
            self._bytes += end - start
            if self._bytes > MOST_OF_FIELDS or self._fields > MOST_FIELDS:
                raise TooLargeError(
                    f"The form's fields have more than {MOST_OF_FIELDS:,} bytes, or are more than "
                    f"{MOST_FIELDS}. Load the page again, and send fewer photographs at once."
                )
        self._content.write(data[start:end])

    def _end(self) -> None:
        self.is_open = False
        self._content.seek(0)
        if self._file_name is not None:
            part = FormFile(name=self._name, file_name=self._file_name, stream=self._content)
            self._ready.append(part)
            return
        with self._content as content:
            value = content.read().decode(errors="replace")
        self._ready.append(FormField(name=self._name, value=value))
