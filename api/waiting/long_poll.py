"""Long polls: a question that is answered when there is something new, or after a while."""

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from anyio import CapacityLimiter, to_thread
from fastapi import Query, Response
from pydantic import BaseModel
from sqlmodel import Session
from starlette.types import Receive, Scope, Send

from api.middleware.disconnect import answering, while_connected
from api.middleware.metrics import note_waiting
from api.services import Services

MOST_SECONDS = 60

Wait = Annotated[
    int,
    Query(
        ge=0,
        le=MOST_SECONDS,
        description="Seconds to wait until it is finished. The answer comes then, or after them as "
        "it stands.",
    ),
]

_THREADS = CapacityLimiter(4)
"""Read what was waited for; apart from the threads that answer other requests."""


class LongPollResponse(Response):
    """An answer that is read and written when what was asked for has ended.

    Its route's transaction is over then, and no connection is held while it waits.
    """

    def __init__(
        self,
        services: Services,
        tenant: str,
        waited_for: UUID,
        *,
        seconds: int,
        view: Callable[[Session], BaseModel],
    ) -> None:
        """Prepare it.

        Args:
            services: The process's clients.
            tenant: Who waits.
            waited_for: A job's or a batch's id.
            seconds: The longest that is waited.
            view: Reads and writes it, in a thread.
        """
        super().__init__()
        self._services = services
        self._tenant = tenant
        self._waited_for = waited_for
        self._seconds = seconds
        self._view = view

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        note_waiting(scope)
        async with answering(scope, receive, send) as answer:
            with self._services.waiting.counted(self._tenant):
                await while_connected(receive, self._wait(), answer)
            body = await to_thread.run_sync(self._read, limiter=_THREADS)
            await Response(body, media_type="application/json")(scope, receive, answer)

    async def _wait(self) -> None:
        await self._services.end_watch.wait([self._waited_for], seconds=self._seconds)

    def _read(self) -> str:
        with self._services.database.reader() as session:
            return self._view(session).model_dump_json()
