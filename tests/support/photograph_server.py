"""A server of photographs that answers as a test wants: slowly, wrongly, somewhere else."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HERE = "127.0.0.1"


Answer = Callable[[BaseHTTPRequestHandler], None]


def saying(status: int, body: bytes = b"", **headers: str) -> Answer:
    """Answer with a body of known length. Underscores in names of headers are dashes."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@dataclass
class PhotographServer:
    """Answers each path as it is told: with a handler's own hands."""

    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    at_once: Counter = field(default_factory=Counter)

    def url(self, path: str, host: str = "shop.example") -> str:
        return f"http://{host}:{self.port}{path}"

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def says(self, path: str, status: int = 200, body: bytes = b"", **headers: str) -> str:
        """Answer a path; give its URL."""
        self.answers[path] = saying(status, body, **headers)
        return self.url(path)

    def trickles(self, path: str, pieces: Callable[[], Iterator[bytes]]) -> str:
        """Answer with a body without a length, piece by piece."""

        def answer(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Connection", "close")
            handler.end_headers()
            for piece in pieces():
                if self.ended.is_set():
                    return
                handler.wfile.write(piece)

        self.answers[path] = answer
        return self.url(path)


@contextmanager
def serving() -> Iterator[PhotographServer]:
    server = PhotographServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.asked.append(
                (self.path, {name.lower(): value for name, value in self.headers.items()})
            )
            try:
                server.answers[self.path](self)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass

    with Quiet((HERE, 0), Handler) as listening:
        server.port = listening.server_port
        thread = threading.Thread(target=listening.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.ended.set()
            listening.shutdown()
            thread.join()
