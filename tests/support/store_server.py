"""A server for doubles of stores: HTTP in a thread, faults as a test wants them."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


class Fault(Enum):
    """What goes wrong with one request."""

    BEFORE = "before"
    """It is answered 503, and has no effect."""
    AFTER = "after"
    """It has its effect, and the connection breaks before the answer."""
    LIMITED = "limited"
    """It is answered 429 with a Retry-After, and has no effect."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request."""

    number: int
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int = 200
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class StoreServer:
    """What a double and a test share."""

    answer: Callable[[Asked], Answer]
    fault: Callable[[Asked], Fault | None] = lambda _: None
    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, asked: Asked) -> Answer | None:
        """Answer one request at a time; None breaks the connection."""
        with self.lock:
            self.asked.append(asked)
            fault = self.fault(asked)
            if fault is Fault.BEFORE:
                return Answer(status=503, content={"message": "away"})
            if fault is Fault.LIMITED:
                return Answer(status=429, content={}, headers={"Retry-After": "2"})
            answered = self.answer(asked)
            return None if fault is Fault.AFTER else answered


@contextmanager
def serving_store(server: StoreServer) -> Iterator[StoreServer]:
    """Serve on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            asked = Asked(
                number=len(server.asked),
                method=self.command,
                path=parts.path,
                query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(int(self.headers.get("Content-Length", 0))),
            )
            answer = server.take(asked)
            if answer is None:
                self.close_connection = True
                return
            body = b"" if answer.content is None else json.dumps(answer.content).encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        server.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
