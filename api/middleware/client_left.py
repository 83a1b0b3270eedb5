"""Clients that leave before they have their answer: no fault of anybody's."""

import logging

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STATUS = 499
"""What is counted: nobody is sent a status. nginx made the number up, and many know it."""

_LEFT = "packshot.client_left"

logger = logging.getLogger("packshot.api")


def note_client_left(scope: Scope) -> None:
    """Record that nobody waits for the answer to a request any more."""
    scope[_LEFT] = True


def client_left(scope: Scope) -> bool:
    """Check whether a request's client left before its answer was whole."""
    return _LEFT in scope


class ClientLeftMiddleware:
    """Ends requests quietly whose client has left."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answered = False

        async def receive_and_note() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect" and not answered:
                note_client_left(scope)
            return message

        async def send_and_note(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                answered = True
            await send(message)

        try:
            await self.app(scope, receive_and_note, send_and_note)
        except ClientDisconnect:
            note_client_left(scope)
        finally:
            if client_left(scope):
                logger.info("%s %s: the client left", scope["method"], scope["path"])
