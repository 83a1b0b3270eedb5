"""Cursors of lists: where a page ended, opaque to clients."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import Query

from core.errors import InvalidRequestError

T = TypeVar("T")

Cursor = Annotated[
    str | None,
    Query(
        description="`next` of the page before.",
        min_length=1,
        max_length=200,
        pattern="^[A-Za-z0-9_-]+$",
    ),
]
Limit = Annotated[int, Query(ge=1, le=500, description="Most items of the page.")]


def write_cursor(last: object) -> str:
    """Encode the key of a page's last row."""
    return urlsafe_b64encode(str(last).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, parse: Callable[[str], T]) -> T | None:
    """Decode the key after which a page begins; None for the first page.

    Raises:
        InvalidRequestError: No server made this cursor.
    """
    if cursor is None:
        return None
    try:
        return parse(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode())
    except ValueError as error:
        raise InvalidRequestError(
            "The cursor is not valid. Send the `next` of the previous page unchanged."
        ) from error
