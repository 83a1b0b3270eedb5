"""What is done for a client only while it waits."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from anyio import CancelScope, create_task_group
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive, Scope, Send

from api.problems import answer_error


class Answer:
    """Sends an answer, and knows whether it has begun."""

    def __init__(self, send: Send) -> None:
        self.begun = False
        self._send = send

    async def __call__(self, message: Message) -> None:
        """Send a part of it."""
        self.begun = True
        await self._send(message)


@asynccontextmanager
async def answering(scope: Scope, receive: Receive, send: Send) -> AsyncIterator[Answer]:
    """Yield a response; errors before it begins are answered, unless the client has left."""
    answer = Answer(send)
    try:
        yield answer
    except ClientDisconnect:
        return
    except Exception as error:
        if answer.begun:
            raise
        await answer_error(Request(scope), error)(scope, receive, send)


async def while_connected(
    receive: Receive, work: Coroutine[Any, Any, None], answer: Answer
) -> None:
    """Run a coroutine for a client, and cancel it when the client leaves before its answer begins.

    Args:
        receive: Of a request whose body was received, or which waits until it was.
        work: What is done.
        answer: Once it has begun, the work is finished, whoever leaves.

    Raises:
        ClientDisconnect: The client left.
    """
    working = asyncio.create_task(work)
    gone = asyncio.create_task(_leave(receive))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if not working.done() and not answer.begun:
            raise ClientDisconnect
        await working
    finally:
        for task in (working, gone):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


@asynccontextmanager
async def while_reading(receive: Receive) -> AsyncIterator[None]:
    """Cancel what is done inside the block when the client leaves, whatever it has of the answer.

    Args:
        receive: Of a request whose body was received.
    """
    async with create_task_group() as group:
        group.start_soon(_leave_and_cancel, receive, group.cancel_scope)
        yield
        group.cancel_scope.cancel()


async def _leave_and_cancel(receive: Receive, scope: CancelScope) -> None:
    await _leave(receive)
    scope.cancel()


async def _leave(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
