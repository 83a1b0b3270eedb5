"""The end of the process: what is not done within the grace is answered all the same."""

import asyncio
import logging

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.middleware.disconnect import Answer
from api.problems import packshot_problem
from core.errors import BusyError

logger = logging.getLogger("packshot.api")


class GraceMiddleware:
    """Answers 503 to a request that the server cancels, because it ends."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = Answer(send)
        try:
            await self.app(scope, receive, answer)
        except asyncio.CancelledError:
            # Nobody else cancels a request's own task. The server closes what has begun to be
            # answered and is not whole, so its reader sees that.
            logger.warning("%s: cut short, as the server ends", scope["method"])
            if not answer.begun:
                await packshot_problem(Request(scope), _unfinished())(scope, receive, send)


def _unfinished() -> BusyError:
    # A thread that waits for Postgres is not ended with its request.
    return BusyError(
        "The server ends and was not done with this in time (PACKSHOT_GRACE_SECONDS). Send it "
        "again in a moment, with the same Idempotency-Key if it had one: it may be done."
    )
