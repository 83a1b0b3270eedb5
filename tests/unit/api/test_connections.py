"""What a connection may send, how slowly, and how many there may be: on a server of its own."""

import asyncio
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
import uvicorn

from api.middleware.client_left import client_left
from api.process import connection as limits_of_one
from api.process import connections
from api.process.connections import Connections, Limits

LIMITS = Limits(
    connections=5,
    header_bytes=4096,
    header_seconds=0.5,
    keep_alive_seconds=1.5,
    bytes_per_second=100,
    drain_bytes=2**20,
)
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
LARGE = b"x" * 2**18


class Application:
    """Reads a request's body and says how long it was; knows whose clients have left."""

    def __init__(self) -> None:
        self.answers_before_reading = False
        self.waits = 0.0
        self.body = b""
        self.left: list[bool] = []
        self.headers: list[tuple[bytes, bytes]] = []

    async def __call__(self, scope, receive, send) -> None:
        size, more = 0, not self.answers_before_reading
        while more:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        await asyncio.sleep(self.waits)
        body = self.body or b"%d" % size
        headers = [(b"content-length", b"%d" % len(body)), *self.headers]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        self.left.append(client_left(scope))


@pytest.fixture
def application() -> Application:
    return Application()


@pytest.fixture
def server(application: Application, monkeypatch: pytest.MonkeyPatch) -> Iterator[uvicorn.Server]:
    monkeypatch.setattr(connections, "CHECK_SECONDS", 0.05)
    monkeypatch.setattr(limits_of_one, "WINDOW_SECONDS", 0.5)
    monkeypatch.setattr(limits_of_one, "UNREAD_SECONDS", 0.7)
    monkeypatch.setattr(limits_of_one, "REFUSED_SECONDS", 0.3)
    monkeypatch.setattr(limits_of_one, "DRAIN_SECONDS", 1.0)
    config = uvicorn.Config(
        application, http=Connections(LIMITS), ws="none", lifespan="off", log_config=None
    )
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.address = listener.getsockname()
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        until(lambda: server.started)
        yield server
        server.should_exit = True
        thread.join()


@pytest.fixture
def connect(server) -> Iterator[Callable[[], socket.socket]]:
    opened: list[socket.socket] = []

    def connect() -> socket.socket:
        opened.append(socket.create_connection(server.address, timeout=20))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


def until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def answer(connection: socket.socket) -> bytes:
    """Read one answer, its head and its body."""
    got = b""
    while b"\r\n\r\n" not in got:
        part = connection.recv(65536)
        assert part, got
        got += part
    head, _, body = got.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def ends(connection: socket.socket) -> bytes:
    """Read until the server closes; a reset counts as that, what came before is lost then."""
    got = b""
    try:
        while part := connection.recv(65536):
            got += part
    except ConnectionError:
        pass
    return got


def send_until_cut(connection: socket.socket, parts: Iterator[bytes]) -> int:
    """Send without end; return how much went out before the server cut it off."""
    sent = 0
    try:
        for part in parts:
            connection.sendall(part)
            sent += len(part)
            assert sent < 2**26
    except ConnectionError:
        pass
    return sent


def test_requests_are_answered_one_after_another_and_together(connect):
    connection = connect()
    for size in (0, 10, 200_000):
        body = b"x" * size
        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % size + body)
        assert answer(connection).endswith(b"\r\n\r\n%d" % size)
    connection.sendall(3 * (HEAD + b"Content-Length: 1\r\n\r\nx"))
    got = b""
    while got.count(b"\r\n\r\n1") < 3:
        got += connection.recv(65536)


@pytest.mark.parametrize(
    "begin",
    [
        pytest.param(b"GET /" + b"a" * 100, id="address"),
        pytest.param(HEAD + b"X-A: ", id="one header"),
        pytest.param(b"\r\n\r\n", id="blank lines"),
        pytest.param(HEAD + CHUNKED + b"1;", id="chunk extension"),
        pytest.param(HEAD + CHUNKED + b"0\r\nX-A: ", id="trailer"),
    ],
)
def test_bytes_without_end_that_are_no_body_are_cut_off(connect, server, begin):
    part = b"\r\n" * 500 if begin.isspace() else b"a" * 1000
    connection = connect()
    connection.sendall(begin)
    sent = send_until_cut(connection, itertools.repeat(part))
    # What the machine's own buffers take is sent, but not read.
    assert sent < 2**25
    assert server.server_state.total_requests <= 1
    until(lambda: not server.server_state.connections)


def test_many_headers_and_trailers_are_too_large_as_one_is(connect, application):
    connection = connect()
    connection.sendall(HEAD + b"".join(b"X-%d: y\r\n" % n for n in range(1000)) + b"\r\n")
    assert ends(connection).startswith(b"HTTP/1.1 431 ")
    connection = connect()
    connection.sendall(HEAD + CHUNKED + b"0\r\n")
    trailers = (b"X-%d: y\r\n" % n for n in itertools.count())
    assert send_until_cut(connection, trailers) < 2**25
    connection = connect()
    connection.sendall(HEAD + b"X-A: " + b"a" * 3900 + b"\r\nContent-Length: 0\r\n\r\n")
    assert answer(connection).startswith(b"HTTP/1.1 200 ")
    assert application.left[-1] is False


def test_a_client_that_is_refused_can_read_why(connect):
    connection = connect()
    connection.sendall(HEAD + b"X-A: " + b"a" * 200_000)
    got = ends(connection)
    assert got.startswith(b"HTTP/1.1 431 ")
    assert b"connection: close" in got
    connection = connect()
    connection.sendall(b"nonsense\r\n\r\n" + LARGE)
    assert ends(connection).startswith(b"HTTP/1.1 400 ")


def test_who_sends_nothing_is_closed_and_who_sends_slowly_is_told(connect):
    assert ends(connect()) == b""
    slow = connect()
    slow.sendall(b"GET / HTTP/1.1\r\nX-A: ")
    for _ in range(3):
        time.sleep(0.05)
        slow.sendall(b"a")
    assert ends(slow).startswith(b"HTTP/1.1 408 ")


def test_blank_lines_do_not_keep_a_connection(connect):
    connection = connect()
    connection.sendall(HEAD + b"Content-Length: 0\r\n\r\n")
    answer(connection)
    assert send_until_cut(connection, slowly(b"\r\n")) < 4096


def slowly(part: bytes) -> Iterator[bytes]:
    for _ in range(400):
        time.sleep(0.05)
        yield part


def test_a_body_that_comes_too_slowly_is_cut_off_and_its_request_ended(connect, application):
    connection = connect()
    connection.sendall(HEAD + b"Content-Length: 60000000\r\n\r\n")
    sent = send_until_cut(connection, slowly(b"x"))
    assert sent < 400
    until(lambda: application.left == [True])


def test_a_body_as_fast_as_is_asked_for_may_take_long(connect, monkeypatch):
    # A machine with much to do may keep this thread from sending for longer than half a second.
    monkeypatch.setattr(limits_of_one, "WINDOW_SECONDS", 2.0)
    connection = connect()
    connection.sendall(HEAD + b"Content-Length: 9000\r\n\r\n")
    for _ in range(30):
        time.sleep(0.1)
        connection.sendall(b"x" * 300)
    assert answer(connection).endswith(b"9000")


def test_a_request_that_is_computed_for_long_is_waited_for(connect, application):
    application.waits = 2.5
    connection = connect()
    connection.sendall(HEAD + b"Content-Length: 1\r\n\r\nx")
    assert answer(connection).endswith(b"1")


def test_the_answer_to_a_body_that_was_not_read_is_seen(connect, application):
    application.answers_before_reading = True
    for header in (b"", b"Connection: close\r\n"):
        connection = connect()
        connection.sendall(HEAD + header + b"Content-Length: 900000\r\n\r\n")
        time.sleep(0.2)
        # As most clients do it: all of the body first.
        connection.sendall(b"x" * 900_000)
        assert answer(connection).startswith(b"HTTP/1.1 200 ")
        if not header:
            connection.sendall(HEAD + b"Content-Length: 0\r\n\r\n")
            assert answer(connection).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("part", [LARGE, b"x"])
def test_a_body_that_was_not_read_is_not_swallowed_for_ever(connect, application, part):
    application.answers_before_reading = True
    connection = connect()
    connection.sendall(HEAD + b"Content-Length: 90000000000\r\n\r\n")
    parts = slowly(part) if part == b"x" else itertools.repeat(part)
    assert send_until_cut(connection, parts) < 2**26


def test_a_client_that_reads_nothing_is_cut_off(connect, application, server):
    application.body = b"x" * 2**25
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(server.address)
        connection.sendall(HEAD + b"Content-Length: 0\r\n\r\n")
        until(lambda: server.server_state.connections)
        until(lambda: not server.server_state.connections)


def test_a_new_connection_takes_the_place_of_the_one_that_waited_longest(connect):
    used, *silent = [connect() for _ in range(LIMITS.connections)]
    used.sendall(HEAD + b"Content-Length: 0\r\n\r\n")
    answer(used)
    new = connect()
    new.sendall(HEAD + b"Content-Length: 0\r\n\r\n")
    assert answer(new).startswith(b"HTTP/1.1 200 ")
    assert ends(silent[0]) == b""
    used.sendall(HEAD + b"Content-Length: 0\r\n\r\n")
    assert answer(used).startswith(b"HTTP/1.1 200 ")


def test_where_all_connections_are_at_work_a_new_one_is_refused(connect, application):
    application.waits = 1.0
    busy = [connect() for _ in range(LIMITS.connections)]
    for one in busy:
        one.sendall(HEAD + b"Content-Length: 0\r\n\r\n")
    time.sleep(0.3)
    assert ends(connect()).startswith(b"HTTP/1.1 503 ")
    assert all(answer(one).startswith(b"HTTP/1.1 200 ") for one in busy)


def test_who_leaves_in_the_midst_is_noted(connect, application):
    application.waits = 0.5
    connection = connect()
    connection.sendall(HEAD + b"Content-Length: 0\r\n\r\n")
    time.sleep(0.2)
    connection.close()
    until(lambda: application.left == [True])


def test_a_request_that_is_on_its_way_when_the_server_ends_is_answered(
    connect, server, monkeypatch
):
    monkeypatch.setattr(limits_of_one, "LAST_SECONDS", 4.0)
    new, used, silent = connect(), connect(), connect()
    used.sendall(HEAD + b"Content-Length: 0\r\n\r\n")
    answer(used)
    until(lambda: len(server.server_state.connections) == 3)
    server.should_exit = True
    until(lambda: not server.servers[0].is_serving())
    for one in (new, used):
        one.sendall(HEAD + b"Content-Length: 1\r\n\r\nx")
        got = ends(one)
        assert got.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in got
    assert ends(silent) == b""


def test_while_the_process_drains_answers_close_their_connections(connect, monkeypatch):
    draining = threading.Event()
    monkeypatch.setattr(limits_of_one, "draining", draining)
    connection = connect()
    connection.sendall(HEAD + b"Content-Length: 0\r\n\r\n")
    assert b"connection: close" not in answer(connection)
    draining.set()
    connection.sendall(HEAD + b"Content-Length: 0\r\n\r\n")
    assert b"connection: close" in answer(connection)
    assert ends(connection) == b""
