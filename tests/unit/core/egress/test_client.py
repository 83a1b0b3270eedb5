"""Requests reach the address that was judged, and nothing else."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlsplit

import pytest

from core.egress.addresses import Address, read_address
from core.egress.client import MOST_BYTES, EgressClient, EgressError, EgressResponse
from core.egress.policy import EgressPolicy
from core.egress.resolver import SystemResolver
from core.errors import ForbiddenUrlError
from core.settings import Settings
from tests.receiver import Receiver, Reply, receiving

HERE = "127.0.0.1"
METADATA = "169.254.169.254"


class Resolver:
    """Gives one answer after the other; the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [read_address(one) for one in answer]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


Post = Callable[..., EgressResponse]


@pytest.fixture
def post() -> Post:
    """Send something, with this machine allowed as `allow` says."""

    def post(
        url: str,
        resolver: Resolver | None = None,
        *,
        allow: str = HERE,
        seconds: float = 20.0,
        times: int = 1,
    ) -> EgressResponse:
        async def run() -> EgressResponse:
            policy = EgressPolicy.of(
                Settings(_env_file=None, outbound_allow=allow, outbound_ports="1-65535")
            )
            resolve = resolver or Resolver([HERE])
            async with EgressClient(policy, resolve, timeout_seconds=seconds) as client:
                for _ in range(times):
                    answer = await client.post(url, {"X-Ours": "yes"}, b"hello")
                return answer

        return asyncio.run(run())

    return post


def named(receiver: Receiver, host: str) -> str:
    """The receiver's URL with a name in it."""
    return f"http://{host}:{urlsplit(receiver.url).port}/hook?a=b;c"


def test_what_is_sent_arrives_and_the_name_stays(receiver: Receiver, post: Post):
    receiver.reply = lambda _: Reply(status=202, body=b"taken", headers={"Retry-After": "3"})
    answer = post(named(receiver, "shop.example"))
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (202, b"taken", "3")
    (request,) = receiver.received
    assert request.body == b"hello"
    assert request.path == "/hook?a=b;c"
    assert request.headers["host"] == f"shop.example:{urlsplit(receiver.url).port}"
    assert request.headers["x-ours"] == "yes"


def test_a_name_that_leads_to_a_private_address_is_refused(receiver: Receiver, post: Post):
    with pytest.raises(ForbiddenUrlError, match="this machine itself"):
        post(named(receiver, "shop.example"), allow="")
    assert receiver.received == []


def test_one_private_address_among_public_ones_is_one_too_many(receiver: Receiver, post: Post):
    with pytest.raises(ForbiddenUrlError, match="link-local"):
        post(named(receiver, "shop.example"), Resolver([HERE, METADATA]))
    assert receiver.received == []


def test_a_name_is_looked_up_once_and_that_address_is_connected_to(receiver: Receiver, post: Post):
    """DNS rebinding: the second answer would be the metadata service."""
    resolver = Resolver([HERE], [METADATA])
    assert post(named(receiver, "rebind.example"), resolver).status == 204
    assert resolver.asked == ["rebind.example"]


def test_a_changed_answer_is_judged_when_a_new_connection_needs_it(receiver: Receiver, post: Post):
    receiver.reply = lambda _: Reply(status=200, headers={"Connection": "close"})
    resolver = Resolver([HERE], [METADATA])
    with pytest.raises(ForbiddenUrlError, match="link-local"):
        post(named(receiver, "rebind.example"), resolver, times=2)
    assert len(receiver.received) == 1


def test_the_system_is_not_asked_again_behind_the_guards_back(
    receiver: Receiver, post: Post, monkeypatch: pytest.MonkeyPatch
):
    asked = []
    real = socket.getaddrinfo

    def watched(host: str | bytes, *arguments: object, **named: object):
        asked.append(host)
        return real(host, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", watched)
    post(named(receiver, "shop.example"))
    assert all(host in (HERE, HERE.encode()) for host in asked)


def test_an_address_that_does_not_answer_makes_way_for_the_next(receiver: Receiver, post: Post):
    resolver = Resolver(["127.0.0.2", HERE])
    assert post(named(receiver, "shop.example"), resolver, allow="127.0.0.0/8").status == 204


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(receiver: Receiver, post: Post, status: int):
    receiver.reply = lambda _: Reply(
        status=status, headers={"Location": f"http://{METADATA}/latest/meta-data/"}
    )
    assert post(receiver.url).status == status
    assert len(receiver.received) == 1


def test_no_proxy_of_the_environment_is_used(
    receiver: Receiver, post: Post, monkeypatch: pytest.MonkeyPatch
):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert post(receiver.url).status == 204


def test_of_an_endless_answer_only_the_beginning_is_read(receiver: Receiver, post: Post):
    receiver.reply = lambda _: Reply(status=200, body=b"x" * (10 * MOST_BYTES))
    assert len(post(receiver.url).body) == MOST_BYTES


def test_an_answer_that_breaks_off_is_no_answer(receiver: Receiver, post: Post):
    receiver.reply = lambda _: Reply(status=200, body=b"half", announced=100)
    with pytest.raises(EgressError, match="no HTTP"):
        post(receiver.url)


def test_a_server_does_not_decide_how_long_an_error_is(post: Post):
    """The HTTP library quotes what it could not read, and errors are kept."""

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200" + b"\x01" * 90_000 + b"\r\n\r\n")

    with socket.create_server((HERE, 0)) as listener:
        server = threading.Thread(target=answer, args=(listener,))
        server.start()
        with pytest.raises(EgressError, match="no HTTP") as caught:
            post(f"http://{HERE}:{listener.getsockname()[1]}/")
        server.join()
    assert len(str(caught.value)) <= 300


def flood(begin: bytes, part: bytes) -> Callable[[socket.socket], None]:
    """Make a server that answers without end, until it is hung up on."""

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(begin)
            while True:
                connection.sendall(part * (65536 // len(part)))

    return answer


@pytest.mark.parametrize(
    ("begin", "part", "outcome"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", "longer than"),
        (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", "longer than"),
        (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"a", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", 200),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"a", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"a", 200),
    ],
)
def test_an_answer_without_end_is_not_read_for_ever(post: Post, begin, part, outcome):
    with socket.create_server((HERE, 0)) as listener:
        server = threading.Thread(target=flood(begin, part), args=(listener,))
        server.start()
        # So long that only a bound of bytes can end it.
        url = f"http://{HERE}:{listener.getsockname()[1]}/"
        if outcome == 200:
            answer = post(url, seconds=3600)
            assert (answer.status, len(answer.body) > 0) == (200, True)
            assert len(answer.body) <= MOST_BYTES
        else:
            with pytest.raises(EgressError, match=outcome):
                post(url, seconds=3600)
        server.join()


def test_a_kept_connection_has_as_much_room_for_each_answer(receiver: Receiver, post: Post):
    receiver.reply = lambda _: Reply(status=200, body=b"x" * (MOST_BYTES - 1))
    assert len(post(receiver.url, times=8).body) == MOST_BYTES - 1


def test_silence_ends_after_the_timeout(receiver: Receiver, post: Post):
    receiver.reply = lambda _: Reply(stalls=True)
    with pytest.raises(EgressError, match=r"No answer within 0\.2 seconds"):
        post(receiver.url, seconds=0.2)


def test_a_closed_port_is_named(post: Post):
    with socket.create_server((HERE, 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(EgressError, match="cannot be connected to"):
        post(f"http://{HERE}:{port}/")


def test_a_name_that_does_not_exist_is_told():
    async def run() -> None:
        resolver = SystemResolver()
        policy = EgressPolicy.of(Settings(_env_file=None))
        try:
            async with EgressClient(policy, resolver.resolve, timeout_seconds=20) as client:
                await client.post("http://no-such-host.invalid/", {}, b"")
        finally:
            resolver.close()

    with pytest.raises(EgressError, match=r"no-such-host\.invalid cannot be found"):
        asyncio.run(run())
