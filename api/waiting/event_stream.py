"""A batch's progress as server-sent events (HTML Living Standard, section 9.2)."""

import time
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import structlog
from anyio import fail_after
from fastapi import Header, Response
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from pydantic import BaseModel, WithJsonSchema
from starlette.types import Receive, Scope, Send

from api.middleware.disconnect import answering, while_reading
from api.middleware.metrics import note_waiting
from api.process.drain import server_ends
from api.schemas.events import BatchEnd, FinishedJobs, ProgressEvent
from api.services import Services
from api.turns.downloads import STALLED_SECONDS
from api.waiting.batch_feeds import Look
from api.waiting.batch_progress import PAGE, BatchMoment
from api.waiting.snapshots import EVENT_ID, EventId, Snapshot
from core.db.engine import DATABASE_ERRORS
from core.domain.states import BatchState
from core.errors import first_line

MEDIA_TYPE = "text/event-stream"
LastEventId = Annotated[
    Annotated[
        str | None,
        # null is no header.
        WithJsonSchema({"type": "string", "maxLength": 8192, "pattern": EVENT_ID}),
    ],
    Header(
        alias="Last-Event-ID",
        max_length=8192,
        description="`id` of the last event that came: what follows is sent.",
    ),
]
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events `progress`, `jobs` and `end`, their data as JSON.",
        # Of each event, as OpenAPI 3.2 has it (4.14.4).
        "content": {
            MEDIA_TYPE: {
                "schema": {
                    "type": "object",
                    "properties": {
                        "event": {"type": "string", "enum": ["progress", "jobs", "end"]},
                        "data": {"type": "string"},
                        "id": {"type": "string"},
                        "retry": {"type": "integer"},
                    },
                }
            }
        },
    },
    204: {"description": "With the last event's id: the batch has ended, and that was said."},
}
"""Answers of a route that sends events."""
HEARTBEAT_SECONDS = 15.0
"""Silence after which a comment is sent: proxies close what says nothing for a minute."""
LONGEST_SECONDS = 600.0
"""After which a client is made to come again, so that a key that was revoked does not listen on."""
CHECK_SECONDS = 0.5
"""How soon a stream notices that the server ends."""
RETRY_MILLISECONDS = 2000
"""How long a client is asked to wait before it comes again."""

log = structlog.get_logger("packshot.api")


class EventStream(Response):
    """The events of a batch until it ends; its route's transaction is over then."""

    media_type = MEDIA_TYPE

    def __init__(self, services: Services, tenant: str, batch_id: UUID, last: EventId) -> None:
        """Prepare it.

        Args:
            services: The process's clients.
            tenant: Who listens.
            batch_id: To which batch.
            last: What the client knows already.
        """
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._services = services
        self._tenant = tenant
        self._batch_id = batch_id
        self._known = last
        self._told: ProgressEvent | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        note_waiting(scope)
        async with answering(scope, receive, send) as answer:
            with self._services.waiting.counted(self._tenant):
                start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
                await answer(start)
                if scope["method"] != "HEAD":
                    async with while_reading(receive):
                        await self._send_all(scope, send)
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_all(self, scope: Scope, send: Send) -> None:
        try:
            async for event in self._events(scope):
                with fail_after(STALLED_SECONDS):
                    await send({"type": "http.response.body", "body": event, "more_body": True})
        except TimeoutError:
            log.info("a listener takes nothing, and is left")
        except DATABASE_ERRORS as error:
            # The client comes again with the id of the last event.
            log.warning("a batch's events were broken off", reason=first_line(error))

    async def _events(self, scope: Scope) -> AsyncIterator[bytes]:
        """Yield events, and comments where there are none for long."""
        yield format_sse_event(retry=RETRY_MILLISECONDS)
        began = spoke = time.monotonic()
        look: Look | None = None
        async with self._services.batch_feeds.listening(self._batch_id) as feed:
            while time.monotonic() < began + LONGEST_SECONDS:
                newest = await feed.after(look, seconds=CHECK_SECONDS)
                if newest is not None:
                    look = newest
                    async for event in self._tell(look):
                        spoke = time.monotonic()
                        yield event
                    if look.reading is None or look.reading.state is not BatchState.RUNNING:
                        return
                if server_ends(scope):
                    return
                if time.monotonic() > spoke + HEARTBEAT_SECONDS:
                    spoke = time.monotonic()
                    yield KEEPALIVE_COMMENT

    async def _tell(self, look: Look) -> AsyncIterator[bytes]:
        reading = look.reading
        if reading is None:
            yield _event("end", BatchEnd(state=None))
            return
        if reading.progress != self._told:
            self._told = reading.progress
            yield _event("progress", reading.progress)
        async for event in self._tell_finished(look, reading):
            yield event
        if reading.state is not BatchState.RUNNING:
            identity = EventId(seen=reading.snapshot, is_end=True)
            yield _event("end", BatchEnd(state=reading.state), identity)

    async def _tell_finished(self, look: Look, reading: BatchMoment) -> AsyncIterator[bytes]:
        """Yield what was finished since the client was last told, each job once."""
        if self._known.reading is not None:
            # It was told a part of what an earlier snapshot shows.
            async for event in self._pages(self._known.reading):
                yield event
        if look.finished is not None and self._known.seen == look.since:
            self._known = EventId(seen=reading.snapshot)
            if look.finished:
                yield _event("jobs", FinishedJobs(jobs=[*look.finished]), self._known)
        elif self._known.seen != reading.snapshot:
            async for event in self._pages(reading.snapshot):
                yield event

    async def _pages(self, now: Snapshot) -> AsyncIterator[bytes]:
        """Yield what `now` shows as finished beside what the client knows, page by page."""
        known = EventId(seen=self._known.seen, reading=now, position=self._known.position)
        while known.reading is not None:
            jobs = await self._services.batch_feeds.finished(
                self._batch_id, seen=known.seen, now=now, after=known.position
            )
            known = EventId(seen=now)
            if len(jobs) == PAGE:
                known = EventId(seen=self._known.seen, reading=now, position=jobs[-1].position)
            self._known = known
            if jobs:
                yield _event("jobs", FinishedJobs(jobs=jobs), known)


def _event(name: str, data: BaseModel, identity: EventId | None = None) -> bytes:
    return format_sse_event(
        event=name,
        data_str=data.model_dump_json(),
        id=None if identity is None else str(identity),
    )
