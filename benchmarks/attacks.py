"""What one tenant, or nobody's connection, does to a server while others use it (`hostile`).

Each is a context manager: it goes on while its block runs, with traffic to loopback only.
`attacking` runs one in a process of its own: who measures does not wait for what it computes.
"""

import json
import multiprocessing
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

import psutil

LEAVES_SECONDS = 8.0
"""When a client that sends costly sheets goes away, and sends the next one."""
READ_BYTES = 512
PAUSE_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Target:
    """A server, and the one who attacks it."""

    s3: int
    """Process of the stack's S3."""
    url: str
    key: str
    """Of a tenant of its own."""
    scale: float
    """Of the cases' own numbers of connections and rows."""

    def number(self, most: int) -> int:
        """Return a number at this scale."""
        return max(1, round(most * self.scale))

    @property
    def headers(self) -> dict[str, str]:
        """The attacker's."""
        return {"Authorization": f"Bearer {self.key}"}

    def connect(self) -> socket.socket:
        """Open a connection that takes little at a time."""
        url = urlsplit(self.url)
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((url.hostname, url.port))
        return connection

    def request(
        self, method: str, path: str, body: bytes | None = None, *, media: str = "", wait: float
    ) -> bytes:
        """Send a request as cheaply as there is a way, and return the whole answer's body.

        Raises:
            OSError, HTTPException: There was none in `wait` seconds.
        """
        url = urlsplit(self.url)
        connection = HTTPConnection(str(url.hostname), url.port, timeout=wait)
        try:
            headers = {**self.headers, "Content-Type": media} if media else self.headers
            connection.request(method, path, body, headers)
            return connection.getresponse().read()
        finally:
            connection.close()


@contextmanager
def attacking(target: Target, name: str) -> Iterator[None]:
    """Attack while the block runs.

    Args:
        target: Whom.
        name: One of `ATTACKS`.
    """
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_attack, args=(target, name, theirs), daemon=True
    )
    process.start()
    theirs.close()
    ours.recv()
    try:
        yield
    finally:
        ours.close()
        process.join()


def _attack(target: Target, name: str, asked: Connection) -> None:
    with suppress(EOFError), ATTACKS[name](target):
        asked.send("begun")
        asked.recv()


@contextmanager
def _repeating(number: int, work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Do something again and again in some threads."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.is_set():
            with suppress(HTTPException, OSError):
                work(ended)

    threads = [threading.Thread(target=repeat, daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join(2 * LEAVES_SECONDS)


def _posting(
    target: Target, content: bytes, number: int, media: str
) -> AbstractContextManager[None]:
    def post(ended: threading.Event) -> None:
        with suppress(HTTPException, OSError):
            target.request("POST", "/v1/batches", content, media=media, wait=LEAVES_SECONDS)
        # Who is refused comes back.
        ended.wait(PAUSE_SECONDS)

    return _repeating(number, post)


def template_tests(target: Target) -> AbstractContextManager[None]:
    """Send sheets with costly tests of templates, from clients that leave."""
    rows = [
        {"sku": f"s{n}", "t": f"a{n} " * 6000, "w": f"a{n} " * 2999 + "b"}
        for n in range(target.number(60))
    ]
    template = "ok" + "".join(
        f"{{% if t|replace('a', 'b{n}') is mentioning(w) %}}x{{% endif %}}" for n in range(120)
    )
    content = json.dumps({"template": template, "dry_run": True, "rows": rows}).encode()
    return _posting(target, content, target.number(45), "application/json")


def dry_runs(target: Target) -> AbstractContextManager[None]:
    """Send large honest sheets to be tried, many at a time."""
    rows = [
        {"sku": f"s{n}", "prompt": f"a mug of {n} colours on a white background"}
        for n in range(target.number(20_000))
    ]
    content = json.dumps({"dry_run": True, "rows": rows}).encode()
    return _posting(target, content, target.number(45), "application/json")


def blank_lines(target: Target) -> AbstractContextManager[None]:
    """Send sheets of nothing but lines."""
    sheet = b"sku,prompt\n" + b"\n" * target.number(10_000_000)
    head = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    content = head + sheet + b"\r\n--x--\r\n"
    return _posting(target, content, target.number(10), "multipart/form-data; boundary=x")


def unfinished_uploads(target: Target) -> AbstractContextManager[None]:
    """Begin sheets that are never sent to their end."""

    def upload(ended: threading.Event) -> None:
        with target.connect() as connection:
            connection.sendall(
                b"POST /v1/batches HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                + f"Authorization: Bearer {target.key}\r\nContent-Length: 100000\r\n\r\n".encode()
            )
            while not ended.wait(PAUSE_SECONDS):
                connection.sendall(b" ")

    return _repeating(target.number(100), upload)


def header_flood(target: Target) -> AbstractContextManager[None]:
    """Send one header without end, without a key."""

    def flood(ended: threading.Event) -> None:
        with target.connect() as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: ")
            for _ in range(80):
                if ended.is_set():
                    return
                connection.sendall(b"a" * 2**20)

    return _repeating(target.number(4), flood)


@contextmanager
def _large_batch(target: Target) -> Iterator[str]:
    rows = [
        {"sku": f"s{n}", "prompt": "a red mug", "note": "x" * 300}
        for n in range(target.number(20_000))
    ]
    sheet = json.dumps({"rows": rows}).encode()
    answer = target.request("POST", "/v1/batches", sheet, media="application/json", wait=300)
    yield str(json.loads(answer)["links"]["self"])


@contextmanager
def slow_readers(target: Target) -> Iterator[None]:
    """Read large answers a few bytes at a time."""
    with _large_batch(target) as batch:

        def read(ended: threading.Event) -> None:
            with target.connect() as connection:
                connection.sendall(
                    f"GET {batch}/results.csv HTTP/1.1\r\nHost: x\r\n"
                    f"Authorization: Bearer {target.key}\r\n\r\n".encode()
                )
                while not ended.wait(PAUSE_SECONDS) and connection.recv(READ_BYTES):
                    pass

        with _repeating(target.number(60), read):
            yield


@contextmanager
def large_downloads(target: Target) -> Iterator[None]:
    """Read large answers as fast as they come."""
    with _large_batch(target) as batch:

        def download(_: threading.Event) -> None:
            for name in ("results.csv", "manifest.jsonl"):
                target.request("GET", f"{batch}/{name}", wait=60)

        with _repeating(target.number(8), download):
            yield


@contextmanager
def hung_s3(target: Target) -> Iterator[None]:
    """Keep S3 from answering anybody: it is halted, and its connections stay open."""
    server = psutil.Process(target.s3)
    halted = [server, *server.children(recursive=True)]
    for one in halted:
        one.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for one in halted:
            one.send_signal(signal.SIGCONT)


ATTACKS: Mapping[str, Callable[[Target], AbstractContextManager[None]]] = {
    "template tests": template_tests,
    "dry runs": dry_runs,
    "blank lines": blank_lines,
    "unfinished uploads": unfinished_uploads,
    "slow readers": slow_readers,
    "header flood": header_flood,
    "large downloads": large_downloads,
    "hung S3": hung_s3,
}
