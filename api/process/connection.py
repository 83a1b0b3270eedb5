"""uvicorn's connection, with limits to what it may send and how slowly.

uvicorn waits for ever for the rest of a request, and puts headers together however long they are
(decision 0042).
"""

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from prometheus_client import Counter
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.middleware.client_left import note_client_left
from api.process.drain import draining, note_server_ends

if TYPE_CHECKING:
    from api.process.connections import Connections

WINDOW_SECONDS = 20.0
"""Over which the speed of a body is measured."""
UNREAD_SECONDS = 60.0
"""How long a client may read nothing of what is sent to it."""
DRAIN_SECONDS = 30.0
"""How long the rest of a body is read whose request is answered already, and thrown away."""
LAST_SECONDS = 1.0
"""How long a connection without a request stays when the server ends: one may be on its way."""
REFUSED_SECONDS = 2.0
"""How long a client has to read why it is cut off: closing at once would discard that."""

_REASONS = {
    HTTPStatus.BAD_REQUEST: "This is no HTTP request.",
    HTTPStatus.REQUEST_TIMEOUT: "The request did not come in time.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The head of the request is too large.",
    HTTPStatus.SERVICE_UNAVAILABLE: "There are too many connections; try again in a moment.",
}

UNREAD, TOO_MANY = "Unread", "Too many"
CUT = Counter("packshot_http_connections_cut", "Connections that were cut off.", ["reason"])
for _reason in (*(status.phrase for status in _REASONS), UNREAD, TOO_MANY):
    # From the start: a count that begins with its first event shows Prometheus no rise.
    CUT.labels(_reason)


class Connection(HttpToolsProtocol):
    """One connection, and where it stands."""

    def __init__(self, *arguments: Any, connections: "Connections") -> None:
        super().__init__(*arguments)
        self._all = connections
        self._limits = connections.limits
        self._since = self.loop.time()
        """When what it is waited for now began."""
        self._head_begun = False
        self._body_open = False
        """Whether a request's head has come and its end has not."""
        self._received = 0
        self._mark = 0
        """What had been received at `_since`."""
        self._idle_bytes = 0
        """Bytes since the last that were of use: heads, trailers and chunk extensions count."""
        self._written = 0
        self._taken = 0
        """What the client's machine had taken at `_taken_at`."""
        self._taken_at = self._since
        self._refusal = HTTPStatus.BAD_REQUEST
        self._refused = False
        self._ending = False
        """Whether it is closed as soon as the request's end has come."""
        self._is_last = False
        """Whether the next request, if one comes at once, is the last one: the server ends."""

    # What uvicorn calls: asyncio's protocol.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection, if there is room."""
        super().connection_made(transport)
        self._all.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Notify the request that is not answered."""
        self._all.forget(self)
        if self._in_answer:
            self._note_client_left()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, as long as it makes a request."""
        if self._refused:
            return
        self._received += len(data)
        self._idle_bytes += len(data)
        super().data_received(data)
        if self._idle_bytes > self._limits.header_bytes:
            self.refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._is_drained:
            self.transport.close()

    def shutdown(self) -> None:
        """Close when what was begun is done, a request that is on its way included."""
        if self._in_answer:
            note_server_ends(self.cycle.scope)  # type: ignore[arg-type] # uvicorn's own type
            super().shutdown()
        elif self._body_open:
            self._ending = True
        else:
            self._is_last = True
            self._since = self.loop.time()

    # What the parser calls.

    def on_message_begin(self) -> None:
        """Start waiting for the rest of a head."""
        super().on_message_begin()
        self._head_begun = True
        if not self._in_answer:
            self._since = self.loop.time()

    def on_headers_complete(self) -> None:
        """Pass the request to the application, if its head is not too large."""
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self._limits.header_bytes:
            self._refusal = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise ValueError(self._refusal)
        self._all.waiting.pop(self, None)
        self._head_begun, self._body_open = False, True
        self._idle_bytes = 0
        self._measure_from_now()
        super().on_headers_complete()
        if self.cycle is not None:
            self.cycle.transport = _Output(self)  # type: ignore[assignment]
            if self._is_last or draining.is_set():
                self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Receive a part of the body."""
        self._idle_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is whole."""
        self._body_open = False
        self._idle_bytes = 0
        super().on_message_complete()
        if self._ending:
            self.transport.close()

    # What the application's answer calls.

    def on_response_complete(self) -> None:
        """Wait for the next request; and before that for the end of this one."""
        if self._ending:
            self.server_state.total_requests += 1
            return
        super().on_response_complete()
        self._measure_from_now()
        if not self._in_answer:
            self._all.waiting[self] = None

    def write(self, data: bytes) -> None:
        """Send a part of an answer."""
        self._written += len(data)
        self.transport.write(data)

    def close(self) -> None:
        """Close after an answer, but not while the client still sends: it would not see it."""
        if self._body_open and not self.transport.is_closing():
            self._ending = True
            self._measure_from_now()
            self._all.waiting[self] = None
            self.flow.resume_reading()
            if self.transport.can_write_eof():
                self.transport.write_eof()
        else:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own words
        """Respond to what the parser does not accept."""
        self.refuse(self._refusal)

    # Limits.

    def refuse(self, status: HTTPStatus) -> None:
        """Send the reason, read nothing more, and close in a moment."""
        if self._refused or self.transport.is_closing():
            return
        CUT.labels(status.phrase).inc()
        self._refused = True
        self._since = self.loop.time()
        silent = bool(self.pipeline) or self._ending
        if self._in_answer:
            silent = silent or self.cycle.response_started
            self._note_client_left()
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if silent:  # in the midst of another answer
            self.transport.close()
            return
        text = _REASONS[status].encode()
        self.write(
            STATUS_LINE[status]
            + b"content-type: text/plain; charset=utf-8\r\nconnection: close\r\n"
            + b"content-length: %d\r\n\r\n%b" % (len(text), text)
        )
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.pause_reading()

    def check(self, now: float) -> None:
        """Cut it off if it has taken too long."""
        if self._is_unread(now):
            CUT.labels(UNREAD).inc()
            self.transport.abort()
        elif self.transport.is_closing():
            return
        elif self._refused:
            if now - self._since > REFUSED_SECONDS:
                self.transport.close()
        elif self._body_open:
            self._check_body(now)
        elif not self._in_answer:
            self._check_wait(now)

    def _check_body(self, now: float) -> None:
        took, came = now - self._since, self._received - self._mark
        if self._drains:
            if took > DRAIN_SECONDS:
                self.transport.close()
        elif self.flow.read_paused or self.cycle.waiting_for_100_continue:
            self._measure_from_now()  # it is we who let it wait
        elif took > WINDOW_SECONDS:
            if came < took * self._limits.bytes_per_second:
                self.refuse(HTTPStatus.REQUEST_TIMEOUT)
            else:
                self._measure_from_now()

    def _check_wait(self, now: float) -> None:
        new = self.cycle is None or self._head_begun
        limit = self._limits.header_seconds if new else self._limits.keep_alive_seconds
        if self._is_last:
            limit = LAST_SECONDS
        if now - self._since <= limit:
            return
        if self._head_begun:
            self.refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _is_unread(self, now: float) -> bool:
        """Check whether the client's machine has taken nothing for long of what waits for it."""
        waits = self.transport.get_write_buffer_size()
        taken = self._written - waits
        if not waits or taken != self._taken:
            self._taken, self._taken_at = taken, now
        return now - self._taken_at > UNREAD_SECONDS

    @property
    def _drains(self) -> bool:
        """Return whether the rest of a body is read for nothing: its request is answered."""
        return self._body_open and (self._ending or not self._in_answer)

    @property
    def _is_drained(self) -> bool:
        """Return whether more of such a body has come than is read of one."""
        return self._drains and self._received - self._mark > self._limits.drain_bytes

    @property
    def _in_answer(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _note_client_left(self) -> None:
        note_client_left(self.cycle.scope)  # type: ignore[arg-type] # uvicorn has a type of its own

    def _measure_from_now(self) -> None:
        self._since, self._mark = self.loop.time(), self._received


class _Output:
    """What an answer sees of its connection's transport."""

    def __init__(self, connection: Connection) -> None:
        self.write = connection.write
        self.close = connection.close
        self.is_closing = connection.transport.is_closing
