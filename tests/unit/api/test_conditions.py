"""Parts of files: what a Range gets, of a body in memory and of a stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.turns.downloads import Opened
from api.views.conditions import Conditions
from core.errors import RangeNotSatisfiableError

BODY = bytes(range(100))
HEADERS = {"ETag": '"a"', "Content-Length": "100"}


def in_memory() -> Opened:
    return Opened(headers=HEADERS, body=BODY)


def streamed() -> Opened:
    return Opened(headers=HEADERS, chunks=iter([BODY[:7], b"", BODY[7:60], BODY[60:]]))


def sent(opened: Opened) -> bytes:
    return opened.body + b"".join(opened.chunks)


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
    opened = Conditions(range=range_, if_range='"a"').part_of(make())
    assert opened.status == 206
    stop = range(100)[part].stop
    assert opened.headers["Content-Range"] == f"bytes {part.start}-{stop - 1}/100"
    assert opened.headers["Content-Length"] == str(stop - part.start)
    assert sent(opened) == BODY[part]


@pytest.mark.parametrize("make", [in_memory, streamed])
@pytest.mark.parametrize(
    "range_",
    [None, "", "bytes=", "bytes=-", "bytes=5-4", "bytes=a-b", "bytes=0-1,5-6", "lines=0-1", "0-1"],
)
def test_what_is_no_single_part_gets_the_whole(make, range_):
    opened = Conditions(range=range_).part_of(make())
    assert opened.status == 200
    assert opened.headers["Accept-Ranges"] == "bytes"
    assert "Content-Range" not in opened.headers
    assert sent(opened) == BODY


@pytest.mark.parametrize("if_range", ['"b"', 'W/"a"', "a", "", "Tue, 01 Dec 2026 00:00:00 GMT"])
def test_a_part_of_another_file_gets_the_whole(if_range):
    opened = Conditions(range="bytes=0-0", if_range=if_range).part_of(in_memory())
    assert (opened.status, sent(opened)) == (200, BODY)


@pytest.mark.parametrize("range_", ["bytes=100-", "bytes=100-200", "bytes=-0", f"bytes={10**17}-"])
def test_a_part_behind_the_end_is_refused_with_the_size(range_):
    with pytest.raises(RangeNotSatisfiableError) as caught:
        Conditions(range=range_).part_of(in_memory())
    assert caught.value.extensions["size"] == 100


@given(st.text("bytes=-,0123456789 \t", max_size=12) | st.from_regex(r"bytes=\d{0,4}-\d{0,4}"))
def test_no_range_breaks_the_answer(range_):
    try:
        opened = Conditions(range=range_).part_of(in_memory())
    except RangeNotSatisfiableError:
        return
    assert opened.body in BODY
    assert opened.headers["Content-Length"] == str(len(opened.body))


@pytest.mark.parametrize(
    ("if_none_match", "met"),
    [(None, False), ("", False), ('"a"', True), ('W/"a"', True), ('"b", "a"', True), ("*", True),
     ('"b"', False), ("a", False)],
)  # fmt: skip
def test_what_the_client_has_is_compared_weakly(if_none_match, met):
    assert Conditions(if_none_match=if_none_match).met_by('"a"') is met
