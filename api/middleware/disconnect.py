"""What is done for a client only while it waits."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import Receive


async def while_connected(
    receive: Receive, work: Coroutine[Any, Any, None], *, begun: Callable[[], bool]
) -> None:
    """Do something for a client, and cancel it when the client leaves before its answer begins.

    Args:
        receive: Of a request whose body was received, or which waits until it was.
        work: What is done.
        begun: Says whether the answer has begun; then the work is finished, whoever leaves.

    Raises:
        ClientDisconnect: The client left.
    """
    working = asyncio.create_task(work)
    gone = asyncio.create_task(_leave(receive))
    try:
        await asyncio.wait((working, gone), return_when=asyncio.FIRST_COMPLETED)
        if not working.done() and not begun():
            raise ClientDisconnect
        await working
    finally:
        for task in (working, gone):
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


async def _leave(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
