"""Parts of files: what a Range gets, of a body in memory and of a stream."""

import asyncio

import pytest
from fastapi import Response
from fastapi.responses import StreamingResponse
from hypothesis import given
from hypothesis import strategies as st

from api.views.conditions import Conditions
from core.errors import RangeNotSatisfiableError

BODY = bytes(range(100))
HEADERS = {"ETag": '"a"', "Content-Length": "100"}


def in_memory() -> Response:
    return Response(BODY, headers=HEADERS)


def streamed() -> Response:
    return StreamingResponse(iter([BODY[:7], b"", BODY[7:60], BODY[60:]]), headers=HEADERS)


def sent(response: Response) -> bytes:
    messages = []

    async def send(message: dict) -> None:
        messages.append(message)

    async def receive() -> dict:
        await asyncio.Event().wait()

    scope = {"type": "http", "asgi": {"spec_version": "2.4"}}
    asyncio.run(response(scope, receive, send))
    return b"".join(one.get("body", b"") for one in messages)


@pytest.mark.parametrize("make", [in_memory, streamed])
@pytest.mark.parametrize(
    ("range_", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=10-19", slice(10, 20)),
        ("bytes=5-70", slice(5, 71)),
        ("bytes=90-", slice(90, 100)),
        ("bytes=90-1000", slice(90, 100)),
        ("bytes=-10", slice(90, 100)),
        ("bytes=-1000", slice(0, 100)),
        (" BYTES = 1 - 2 ", slice(1, 3)),
    ],
)
def test_a_part_is_cut_out(make, range_, part):
    response = Conditions(range=range_, if_range='"a"').part_of(make())
    assert response.status_code == 206
    stop = range(100)[part].stop
    assert response.headers["Content-Range"] == f"bytes {part.start}-{stop - 1}/100"
    assert response.headers["Content-Length"] == str(stop - part.start)
    assert sent(response) == BODY[part]


@pytest.mark.parametrize("make", [in_memory, streamed])
@pytest.mark.parametrize(
    "range_",
    [None, "", "bytes=", "bytes=-", "bytes=5-4", "bytes=a-b", "bytes=0-1,5-6", "lines=0-1", "0-1"],
)
def test_what_is_no_single_part_gets_the_whole(make, range_):
    response = Conditions(range=range_).part_of(make())
    assert response.status_code == 200
    assert response.headers["Accept-Ranges"] == "bytes"
    assert "Content-Range" not in response.headers
    assert sent(response) == BODY


@pytest.mark.parametrize("if_range", ['"b"', 'W/"a"', "a", "", "Tue, 01 Dec 2026 00:00:00 GMT"])
def test_a_part_of_another_file_gets_the_whole(if_range):
    response = Conditions(range="bytes=0-0", if_range=if_range).part_of(in_memory())
    assert (response.status_code, sent(response)) == (200, BODY)


@pytest.mark.parametrize("range_", ["bytes=100-", "bytes=100-200", "bytes=-0", f"bytes={10**17}-"])
def test_a_part_behind_the_end_is_refused_with_the_size(range_):
    with pytest.raises(RangeNotSatisfiableError) as caught:
        Conditions(range=range_).part_of(in_memory())
    assert caught.value.extensions["size"] == 100


@given(st.text("bytes=-,0123456789 \t", max_size=12) | st.from_regex(r"bytes=\d{0,4}-\d{0,4}"))
def test_no_range_breaks_the_answer(range_):
    try:
        response = Conditions(range=range_).part_of(in_memory())
    except RangeNotSatisfiableError:
        return
    assert response.body in BODY
    assert response.headers["Content-Length"] == str(len(response.body))


@pytest.mark.parametrize(
    ("if_none_match", "met"),
    [(None, False), ("", False), ('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True),
     ('"b"', False), ("a", False)],
)  # fmt: skip
def test_what_the_client_has_is_compared_weakly(if_none_match, met):
    assert Conditions(if_none_match=if_none_match).met_by('"a"') is met
