"""What a client has been told of a batch, as it is written into an event's id."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.waiting.snapshots import EventId, Snapshot
from core.errors import InvalidRequestError


@st.composite
def snapshots(draw):
    xmin = draw(st.integers(3, 10**15))
    running = draw(st.frozensets(st.integers(xmin, xmin + 50), max_size=5))
    return Snapshot(xmin=xmin, xmax=draw(st.integers(xmin, xmin + 60)), running=running)


@given(snapshots(), st.none() | snapshots(), st.integers(0, 10**8), st.booleans())
def test_what_is_written_is_read_again(now, seen, position, is_end):
    for one in (
        EventId(seen=now, is_end=is_end),
        EventId(seen=seen, reading=now, position=position),
    ):
        assert EventId.read(str(one)) == one


def test_nothing_is_known_without_one():
    assert EventId.read(None) == EventId.read("") == EventId()


@pytest.mark.parametrize(
    "text",
    ["7", "1:2", "1:2:3:4", "a:b:", "1:2:,", "1:2:~x~", "1:2:~1~2~3", "~end", "1:2:~-1~", "٣:4:"],
)
def test_what_no_server_made_is_refused(text):
    with pytest.raises(InvalidRequestError, match="Last-Event-ID is not valid"):
        EventId.read(text)
