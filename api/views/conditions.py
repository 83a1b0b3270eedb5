"""What a request for a file makes its answer depend on (RFC 9110, sections 13 and 14)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Depends, Header, Request

from api.turns.downloads import Opened
from core.errors import RangeNotSatisfiableError

_RANGE = re.compile(
    r"bytes\s*=\s*(?:(\d{1,18})\s*-\s*(\d{0,18})|-\s*(\d{1,18}))", re.ASCII | re.IGNORECASE
)


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What the client has of a file, and which part of it it wants."""

    if_none_match: str | None = None
    range: str | None = None
    """None, too, for a HEAD: only GET has parts."""
    if_range: str | None = None

    def met_by(self, etag: str) -> bool:
        """Check whether the client has the file already (13.1.2: a weak comparison)."""
        if self.if_none_match is None:
            return False
        tags = {tag.strip().removeprefix("W/") for tag in self.if_none_match.split(",")}
        return "*" in tags or etag in tags

    def part_of(self, opened: Opened) -> Opened:
        """Return the part of a file that was asked for, as 206, or the whole file.

        Several parts, other units than bytes and a Range that cannot be read get the whole, as
        does one that was of another file (13.1.5: a strong comparison).

        Raises:
            RangeNotSatisfiableError: It begins behind the file's end.
        """
        whole = replace(opened, headers={**opened.headers, "Accept-Ranges": "bytes"})
        found = _RANGE.fullmatch(self.range.strip()) if self.range else None
        if found is None or self.if_range not in (None, opened.headers["ETag"]):
            return whole
        size = int(opened.headers["Content-Length"])
        part = _positions(found, size)
        return whole if part is None else _cut(whole, *part, size)


def _positions(asked: re.Match[str], size: int) -> tuple[int, int] | None:
    """Return where a part begins and stops; None: its end is before its begin.

    Raises:
        RangeNotSatisfiableError: It begins behind the file's end.
    """
    first, last, suffix = (int(text) if text else None for text in asked.groups())
    if first is not None and last is not None and last < first:
        return None
    start = max(0, size - suffix) if suffix is not None else first or 0
    if start >= size:
        raise RangeNotSatisfiableError(size=size)
    return start, size if last is None else min(last + 1, size)


def _cut(whole: Opened, start: int, stop: int, size: int) -> Opened:
    headers = {
        **whole.headers,
        "Content-Range": f"bytes {start}-{stop - 1}/{size}",
        "Content-Length": str(stop - start),
    }
    # What is in memory comes whole; else there are chunks only.
    body, chunks = whole.body[start:stop], _bytes_of(whole.chunks, start, stop)
    return replace(whole, status=206, headers=headers, body=body, chunks=chunks)


def _bytes_of(chunks: Iterator[bytes], start: int, stop: int) -> Iterator[bytes]:
    position = 0
    for chunk in chunks:
        if part := chunk[max(0, start - position) : max(0, stop - position)]:
            yield part
        position += len(chunk)
        if position >= stop:
            return


async def get_conditions(
    request: Request,
    if_none_match: Annotated[
        str | None, Header(description="ETags of what you have; the answer is 304 if it is that.")
    ] = None,
    range_: Annotated[
        str | None,
        Header(alias="Range", description="One part of the file, as in `bytes=0-1023`."),
    ] = None,
    if_range: Annotated[
        str | None, Header(description="The ETag that the Range is meant for; else all is sent.")
    ] = None,
) -> Conditions:
    """Read what a request for a file makes its answer depend on."""
    part = None if request.method == "HEAD" else range_
    return Conditions(if_none_match=if_none_match, range=part, if_range=if_range)


ConditionsNow = Annotated[Conditions, Depends(get_conditions)]
