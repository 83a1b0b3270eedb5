"""The largest request body, whether its length is announced or not."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import packshot_problem
from core.errors import TooLargeError


class _BodyTooLargeError(HTTPException):
    """An HTTPException: FastAPI turns others that are raised while it reads into a 400."""


class BodyLimitMiddleware:
    """Answers 413 before or while a body that is too large is read."""

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        if length.isascii() and length.isdigit() and int(length) > self.max_bytes:
            await packshot_problem(Request(scope), self.error())(scope, receive, send)
            return
        seen = 0

        async def receive_limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.max_bytes:
                raise _BodyTooLargeError(TooLargeError.status, self.error().detail)
            return message

        await self.app(scope, receive_limited, send)

    def error(self) -> TooLargeError:
        """Name the limit, and what to do."""
        return TooLargeError(
            f"The request's body is larger than {self.max_bytes:,} bytes. Split the sheet, or "
            "raise PACKSHOT_MAX_UPLOAD_BYTES."
        )
