"""How much memory sheets of 2 MiB take that look small and are many: none is read to its end."""

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue.sheets.json_lines import parse_json
from catalogue.sheets.model import Room
from catalogue.sheets.readers import read_rows, read_sheet
from core.errors import InvalidSheetError
from tests.unit.catalogue.orders import make_order

SIZE = 2 * 2**20
WIDE = b",".join(b"c%d" % n for n in range(1000)) + b"\n"


def peak(content: bytes, name: str, room: Room) -> tuple[int, str]:
    """Read a sheet; give the most bytes that were taken meanwhile, and what it became."""
    tracemalloc.start()
    try:
        became = f"{len(read_sheet(content, name=name, room=room).rows):,} rows"
    except InvalidSheetError as error:
        became = error.detail
    finally:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return most, became


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"a,b\n" + b"1,\n" * (SIZE // 3), "a.csv"),
        (b"{}\n" * (SIZE // 3), "a.jsonl"),
        (b'{"a":1}\n' * (SIZE // 8), "a.jsonl"),
        (b"<rss>" + b"<item><a>b</a></item>" * (SIZE // 21) + b"</rss>", "a.xml"),
    ],
    ids=["csv", "empty objects", "objects", "feed"],
)
def test_reading_stops_at_the_first_row_too_many(content, name):
    most, became = peak(content, name, Room(max_rows=1000))
    assert "more than 1,000 rows" in became
    assert most < 2.5 * len(content)


@pytest.mark.parametrize("before", [b"", b"sku,prompt\nA,a\n"], ids=["header", "row"])
def test_a_record_without_end_is_not_taken_apart(before, limits):
    content = before + b"," * SIZE + b"\n"
    with pytest.raises(InvalidSheetError) as caught:
        make_order(read_sheet(content, name="a.csv"), {}, limits)
    assert "more than 1,000,000 separators" in str(caught.value.extensions["errors"])
    most, _ = peak(content, "a.csv", Room())
    # The text, and its line twice; as cells it would be sixteen times as much.
    assert most < 4 * len(content)


def test_cells_that_say_nothing_take_no_memory():
    row = b"x" + b"," * 999 + b"\n"
    content = WIDE + row * (SIZE // len(row))
    most, became = peak(content, "a.csv", Room())
    assert became.endswith("rows")
    assert most < 2.5 * len(content)
    item = b"<item>" + b"".join(b"<a%d/>" % n for n in range(999)) + b"<b>b</b></item>"
    content = b"<rss>" + item * (SIZE // len(item)) + b"</rss>"
    most, became = peak(content, "a.xml", Room())
    assert became.endswith("rows")
    assert most < 2.5 * len(content)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (WIDE + (b"1," * 999 + b"1\n") * 1000, "a.csv"),
        (b'{"a":[' + b"{}," * (SIZE // 3) + b"{}]}", "a.jsonl"),
        (b"<rss>" + (b"<item>" + b"".join(b"<a%d>1</a%d>" % (n, n) for n in range(500))
                     + b"</item>") * 400 + b"</rss>", "a.xml"),
    ],
    ids=["csv", "objects", "feed"],
)  # fmt: skip
def test_reading_stops_at_the_first_cell_too_many(content, name):
    most, became = peak(content, name, Room(max_cells=50_000))
    assert "more than 50,000" in became
    assert most < 3 * len(content) + 100 * 50_000


def test_rows_sent_as_json_are_counted_too():
    with pytest.raises(InvalidSheetError, match="more than 2 rows"):
        read_rows([{}] * 3, room=Room(max_rows=2))


KEYS = st.text('",{ ', max_size=3)
JSON: st.SearchStrategy[object] = st.deferred(
    lambda: (
        st.none()
        | st.integers()
        | st.text('[]{},"\\: a', max_size=8)
        | st.lists(JSON, max_size=3)
        | st.dictionaries(KEYS, JSON, max_size=3)
    )
)


@given(JSON, st.booleans())
def test_json_is_weighed_by_its_values_and_not_by_its_texts(value, ascii_only):
    weight = _weight(value)
    text = json.dumps(value, ensure_ascii=ascii_only)
    Room(max_cells=weight).check_json(text)
    if weight:
        with pytest.raises(InvalidSheetError):
            Room(max_cells=weight - 1).check_json(text)
    assert parse_json(text) == value


def _weight(value: object) -> int:
    """Count commas and brackets: one for each value behind the first, four for each list."""
    if not isinstance(value, list | dict):
        return 0
    inner = list(value.values()) if isinstance(value, dict) else value
    return 4 + max(0, len(inner) - 1) + sum(map(_weight, inner))
