"""The largest request body, whether its length is announced or not."""

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import packshot_problem
from core.errors import TooLargeError
from core.links import BATCHES, DETECT, NEW_PHOTOGRAPHS, OPENAI, SHEETS, SOURCES

MOST_OF_FIELDS = 2**20
"""Bytes of a body that is no sheet: the longest recipe fits, each of its characters escaped. What
is larger would be parsed as a whole before one of its fields is looked at."""

AROUND_A_FILE = 64 * 1024
"""Bytes of a form beside its photograph."""

EDITS = f"{OPENAI}/images/edits"


class _BodyTooLargeError(HTTPException):
    """An HTTPException: FastAPI turns others that are raised while it reads into a 400."""


@dataclass(frozen=True, kw_only=True)
class _Limit:
    max_bytes: int
    advice: str

    def error(self) -> TooLargeError:
        """Name the limit, and what to do."""
        return TooLargeError(
            f"The request's body is larger than {self.max_bytes:,} bytes. {self.advice}"
        )


class BodyLimitMiddleware:
    """Answers 413 before or while a body that is too large is read."""

    def __init__(
        self, app: ASGIApp, *, max_bytes: int, max_source_bytes: int, max_album_bytes: int
    ) -> None:
        """Wrap an application.

        Args:
            app: What reads the bodies.
            max_bytes: Of a sheet; other bodies have `MOST_OF_FIELDS` at most.
            max_source_bytes: Of a photograph.
            max_album_bytes: Of many photographs.
        """
        self.app = app
        self._sheet = _Limit(
            max_bytes=max_bytes, advice="Split the sheet, or raise PACKSHOT_MAX_UPLOAD_BYTES."
        )
        self._source = _Limit(
            max_bytes=max_source_bytes + AROUND_A_FILE,
            advice="Make the photograph smaller, or raise PACKSHOT_MAX_SOURCE_BYTES.",
        )
        self._edit = _Limit(
            max_bytes=2 * max_source_bytes + AROUND_A_FILE,
            advice="Make photograph and mask smaller, or raise PACKSHOT_MAX_SOURCE_BYTES.",
        )
        self._album = _Limit(
            # A browser without scripts sends the sheet with them.
            max_bytes=max_album_bytes + max_bytes + MOST_OF_FIELDS,
            advice="Send fewer photographs at once, or raise PACKSHOT_MAX_ALBUM_BYTES.",
        )
        self._fields = _Limit(
            max_bytes=min(max_bytes, MOST_OF_FIELDS),
            advice=f"Shorten its fields; many images are a sheet, a `file` to POST {BATCHES}.",
        )

        self._limits = {
            **dict.fromkeys(SHEETS, self._sheet),
            SOURCES: self._source,
            DETECT: self._source,
            EDITS: self._edit,
            NEW_PHOTOGRAPHS: self._album,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self._limits.get(scope["path"], self._fields)
        length = Headers(scope=scope).get("content-length", "")
        if length.isascii() and length.isdigit() and int(length) > limit.max_bytes:
            await packshot_problem(Request(scope), limit.error())(scope, receive, send)
            return
        seen = 0

        async def receive_limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit.max_bytes:
                raise _BodyTooLargeError(TooLargeError.status, limit.error().detail)
            return message

        await self.app(scope, receive_limited, send)
