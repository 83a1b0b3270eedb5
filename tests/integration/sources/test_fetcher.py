"""Photographs at addresses, from a server that is slow, fails, redirects and lies."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from io import BytesIO

import pytest
from PIL import Image
from sqlalchemy import text

from api.submission.photograph_check import fetch_all
from core.db.models import FetchedAddress, Source
from core.egress.addresses import Address, read_address
from core.errors import ForbiddenUrlError, InvalidImageError, PackshotError
from core.pictures.photograph_errors import OversizedPhotographError
from core.sources import rows
from core.sources.fetch_errors import (
    PhotographMisdirectedError,
    PhotographMissingError,
    PhotographRefusedError,
    PhotographServerFailedError,
    PhotographTooSlowError,
    PhotographUnreachableError,
)
from core.sources.fetcher import FetchOutcome, SourceFetcher
from core.sources.store import SourceStore
from tests.support.photograph_server import HERE, PhotographServer, serving


def jpeg(colour: str = "red") -> bytes:
    stream = BytesIO()
    Image.new("RGB", (40, 30), colour).save(stream, "JPEG")
    return stream.getvalue()


MUG = jpeg()


@pytest.fixture
def server() -> Iterator[PhotographServer]:
    with serving() as server:
        yield server


ADDRESSES: Mapping[str, Sequence[str]] = {
    "metadata.example": ["169.254.169.254"],
    "nowhere.example": [],
}
"""Of names; every other one is this machine's."""


async def resolve(host: str, port: int) -> Sequence[Address]:
    found = [read_address(one) for one in ADDRESSES.get(host, [HERE])]
    if not found:
        raise OSError("no such name")
    return found


@pytest.fixture
def make(settings, database, storage):
    """Make a fetcher with some settings."""
    made: list[SourceFetcher] = []

    def make(**changes: object) -> SourceFetcher:
        update = {
            "outbound_allow": HERE, "outbound_ports": "1-65535", "fetch_host_pause": 0.0,
            "fetch_seconds": 20.0, "max_source_bytes": 100_000,
        }  # fmt: skip
        own = settings.model_copy(update=update | changes)
        store = SourceStore(database=database, storage=storage, max_bytes=own.max_source_bytes)
        made.append(SourceFetcher(database=database, store=store, settings=own, resolve=resolve))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def fetch(make):
    """Fetch something for the tenant `shop`."""
    fetcher = make()
    return lambda url, tenant="shop": fetcher.fetch(url, tenant=tenant)


def expire(database) -> None:
    with database.session() as session:
        session.execute(text("update fetched_address set fresh_until = now() - interval '1 s'"))


def test_a_photograph_is_kept_as_its_server_sent_it(fetch, server, shop, storage):
    found = fetch(server.says("/p/Blue%20mug.png?v=2", body=MUG, Content_Type="image/png"))
    assert found.outcome is FetchOutcome.FETCHED
    (source,) = shop.all(Source)
    assert (source.id, source.tenant) == (found.source_id, "shop")
    assert (source.content_type, source.file_name) == ("image/jpeg", "Blue mug.png")
    assert storage.read(source) == MUG
    ((_, headers),) = server.asked
    assert headers["host"] == f"shop.example:{server.port}"
    assert headers["user-agent"].startswith("packshot/")
    assert headers["accept-encoding"] == "identity"
    assert "if-none-match" not in headers


def test_as_long_as_it_is_valid_nobody_is_asked_again(fetch, server):
    url = server.says("/mug.jpg", body=MUG, Cache_Control="max-age=3600")
    first = fetch(url)
    second = fetch(url)
    assert (second.source_id, second.outcome) == (first.source_id, FetchOutcome.VALID)
    assert len(server.asked) == 1
    assert fetch(url, tenant="stranger").outcome is FetchOutcome.FETCHED, "another tenant's"


def test_afterwards_its_server_is_asked_whether_it_changed(fetch, server, database):
    dated = "Sun, 01 Mar 2026 02:00:00 GMT"
    url = server.says("/mug.jpg", body=MUG, ETag='"v1"', Last_Modified=dated)
    first = fetch(url)
    for _ in range(2):  # the 304 repeats neither
        expire(database)
        server.says("/mug.jpg", 304, Cache_Control="max-age=60")
        same = fetch(url)
        assert (same.source_id, same.outcome) == (first.source_id, FetchOutcome.UNCHANGED)
        asked = server.asked[-1][1]
        assert (asked["if-none-match"], asked["if-modified-since"]) == ('"v1"', dated)
    expire(database)
    server.says("/mug.jpg", body=jpeg("blue"), ETag='"v2"')
    other = fetch(url)
    assert (other.source_id != first.source_id, other.outcome) == (True, FetchOutcome.FETCHED)


def test_one_that_was_deleted_is_fetched_anew(fetch, server, database, shop):
    url = server.says("/mug.jpg", body=MUG, ETag='"v1"')
    first = fetch(url)
    with database.session() as session:
        rows.mark(session, Source.id == first.source_id)
    again = fetch(url)
    assert again.outcome is FetchOutcome.FETCHED
    assert again.source_id != first.source_id
    with database.session() as session:
        rows.forget(session, [first.source_id])
    assert [one.source_id for one in shop.all(FetchedAddress)] == [again.source_id]


def test_redirects_are_followed_and_the_first_address_is_remembered(fetch, server):
    server.says("/last.jpg", body=MUG)
    server.says("/b", 307, Location=server.url("/last.jpg", host="cdn.example"))
    url = server.says("/a", 301, Location="/b#part")
    assert fetch(url).outcome is FetchOutcome.FETCHED
    assert server.paths() == ["/a", "/b", "/last.jpg"]
    assert server.asked[-1][1]["host"] == f"cdn.example:{server.port}"
    assert fetch(url).outcome is FetchOutcome.VALID


@pytest.mark.parametrize(
    "location",
    [
        "http://metadata.example/latest/meta-data",
        "http://169.254.169.254/latest/meta-data",
        "http://localhost/",
        "file:///etc/passwd",
        "http://user:secret@shop.example/",
        "gopher://shop.example/",
    ],
)
def test_each_redirect_is_judged(fetch, server, shop, location):
    with pytest.raises(ForbiddenUrlError):
        fetch(server.says("/a", 302, Location=location))
    assert server.paths() == ["/a"]
    assert shop.all(Source) == []


@pytest.mark.parametrize("url", ["http://metadata.example/a.jpg", "http://10.0.0.1/", "shop"])
def test_a_private_address_is_refused(fetch, url):
    with pytest.raises(ForbiddenUrlError):
        fetch(url)


def test_redirects_end(fetch, server):
    with pytest.raises(PhotographMisdirectedError, match="more than 5 times"):
        fetch(server.says("/a", 302, Location="/a"))
    assert len(server.asked) == 6
    with pytest.raises(PhotographMisdirectedError, match="does not say where"):
        fetch(server.says("/b", 302))


@pytest.mark.parametrize(
    ("status", "error", "helps"),
    [
        (404, PhotographMissingError, False),
        (410, PhotographMissingError, False),
        (401, PhotographRefusedError, False),
        (403, PhotographRefusedError, False),
        (204, PhotographRefusedError, False),
        (206, PhotographRefusedError, False),
        (304, PhotographRefusedError, False),
        (408, PhotographServerFailedError, True),
        (429, PhotographServerFailedError, True),
        (500, PhotographServerFailedError, True),
        (503, PhotographServerFailedError, True),
    ],
)
def test_an_error_says_whether_a_retry_helps(fetch, server, shop, status, error, helps):
    with pytest.raises(error) as caught:
        fetch(server.says("/mug.jpg", status))
    assert caught.value.retry_helps is helps
    assert str(status) in caught.value.detail
    assert caught.value.detail.endswith(".")
    assert shop.all(Source) == shop.all(FetchedAddress) == []


def test_a_failure_leaves_what_was_there(fetch, server, database, shop):
    url = server.says("/mug.jpg", body=MUG)
    first = fetch(url)
    expire(database)
    server.says("/mug.jpg", 500)
    with pytest.raises(PhotographServerFailedError):
        fetch(url)
    assert [one.id for one in shop.all(Source)] == [first.source_id]
    server.says("/mug.jpg", body=MUG)
    assert fetch(url).source_id == first.source_id


def test_a_host_that_asks_for_patience_gets_it(fetch, server):
    with pytest.raises(PhotographServerFailedError):
        fetch(server.says("/mug.jpg", 503, Retry_After="100"))
    with pytest.raises(PhotographServerFailedError) as caught:
        fetch(server.says("/other.jpg", body=MUG))
    assert 90 < caught.value.extensions["retry_after"] <= 101
    assert server.paths() == ["/mug.jpg"]
    elsewhere = server.url("/other.jpg", host="other.example")
    assert fetch(elsewhere).outcome is FetchOutcome.FETCHED


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<!DOCTYPE html><title>Sign in</title>", "a web page (HTML)"),
        (b"", "empty"),
        (b"sku,prompt\n", "no image"),
    ],
)
def test_what_comes_is_told_by_its_bytes(fetch, server, body, said):
    with pytest.raises(InvalidImageError) as caught:
        fetch(server.says("/mug.jpg", body=body, Content_Type="image/jpeg"))
    assert said in caught.value.detail


def test_a_coding_that_nobody_asked_for_is_refused(fetch, server):
    with pytest.raises(PhotographRefusedError, match="gzip"):
        fetch(server.says("/mug.jpg", body=MUG, Content_Encoding="gzip"))


def endless() -> Iterator[bytes]:
    while True:
        yield bytes(65536)


def a_byte_at_a_time() -> Iterator[bytes]:
    for byte in MUG:
        yield bytes([byte])
        time.sleep(0.05)


@pytest.mark.parametrize("announces", [True, False])
def test_a_stream_without_end_is_broken_off(fetch, server, announces):
    def announced(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(10**10))
        handler.end_headers()
        for piece in endless():
            handler.wfile.write(piece)

    url = server.trickles("/mug.jpg", endless)
    if announces:
        server.answers["/mug.jpg"] = announced
    with pytest.raises(OversizedPhotographError, match="PACKSHOT_MAX_SOURCE_BYTES"):
        fetch(url)


def test_one_that_comes_byte_by_byte_is_given_up(make, server):
    fetcher = make(fetch_seconds=0.5)
    with pytest.raises(PhotographTooSlowError) as caught:
        fetcher.fetch(server.trickles("/mug.jpg", a_byte_at_a_time), tenant="shop")
    assert caught.value.retry_helps


def test_a_server_that_says_nothing_is_given_up_by_the_callers_deadline(fetch, make, server):
    server.answers["/mug.jpg"] = lambda _: server.ended.wait()
    with pytest.raises(PhotographTooSlowError):
        make().fetch(server.url("/mug.jpg"), tenant="shop", deadline=time.monotonic() + 0.3)


def test_headers_without_end_are_broken_off(fetch, server):
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not server.ended.is_set():
            handler.wfile.write(b"X-More: " + b"x" * 60_000 + b"\r\n")

    server.answers["/mug.jpg"] = answer
    with pytest.raises(PackshotError) as caught:
        fetch(server.url("/mug.jpg"))
    assert caught.value.code in ("photograph_unreachable", "photograph_too_large")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\nnot as many",
    ],
    ids=["nothing", "no HTTP", "broken off"],
)
def test_what_breaks_off_can_be_tried_again(fetch, server, shop, raw):
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(raw)
        handler.close_connection = True

    server.answers["/mug.jpg"] = answer
    with pytest.raises(PhotographUnreachableError) as caught:
        fetch(server.url("/mug.jpg"))
    assert caught.value.retry_helps
    assert shop.all(Source) == []


@pytest.mark.parametrize("url", ["http://nowhere.example/a.jpg", f"http://{HERE}:1/a.jpg"])
def test_a_host_that_is_not_there_can_be_tried_again(fetch, url):
    with pytest.raises(PhotographUnreachableError):
        fetch(url)


def test_from_one_host_so_many_come_at_once_for_all_threads(make, server):
    running, most, lock = Counter(), Counter(), threading.Lock()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        host = handler.headers["Host"]
        with lock:
            running[host] += 1
            most[host] = max(most[host], running[host])
        time.sleep(0.05)
        with lock:
            running[host] -= 1
        server.says(handler.path, body=jpeg())
        server.answers[handler.path](handler)

    fetcher = make(fetch_host_connections=2)
    urls = []
    for number in range(12):
        path = f"/{number}.jpg"
        server.answers[path] = answer
        urls.append(server.url(path, host=f"{'ab'[number % 2]}.example"))
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda url: fetcher.fetch(url, tenant="shop"), urls))
    assert max(most.values()) == 2
    assert len({one.source_id for one in found}) == 1, "the same bytes"


def test_a_check_names_who_failed_and_counts_whose_turn_did_not_come(make, server, shop):
    urls = [server.says(f"/{number}.jpg", 503, Retry_After="600") for number in range(3)]
    fetched = fetch_all(make(fetch_host_connections=1), urls, tenant="shop")
    # The first one's answer asks for a rest, which the others heed.
    ((url, error),) = fetched.failed.items()
    assert (error.code, error.retry_helps) == ("photograph_server_failed", True)
    assert fetched.late == set(urls) - {url}
    assert len(server.asked) == 1


def test_a_check_without_time_asks_nobody(make, server):
    url = server.says("/mug.jpg", body=MUG)
    assert fetch_all(make(), [url], tenant="shop", seconds=0).late == {url}
    assert server.asked == []
