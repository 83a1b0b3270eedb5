"""What a sheet costs grows no faster than the sheet, whatever is in it."""

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest

from catalogue.checks import RequestLimits
from catalogue.prompts.expressions import TemplateProblemError
from catalogue.prompts.mentions import mentions
from catalogue.prompts.templates import PromptTemplate
from catalogue.sheets.model import Room
from catalogue.sheets.readers import read_rows, read_sheet
from catalogue.validate import validate
from core.errors import InvalidSheetError
from tests.unit.catalogue.models import only

LIMITS = RequestLimits(
    smallest=32, largest=128, multiple_of=32, max_steps=150, max_variants=16, max_images=100_000,
    defaults={"width": 64, "height": 64, "steps": 4, "guidance_scale": 3.0, "scheduler": "ddim",
              "negative_prompt": ""},
)  # fmt: skip
ROOM = 2000
"""Rows."""


def read(content: bytes | list[Any], name: str = "a.csv", **fields: Any) -> str:
    """Read and check a sheet; give what it says, or how many images it asks for."""
    room = Room(max_rows=ROOM)
    try:
        sheet = (
            read_rows(content, None, room)
            if isinstance(content, list)
            else read_sheet(content, name=name, room=room)
        )
        return str(len(validate(sheet, fields, only(LIMITS))[0].wanted))
    except InvalidSheetError as error:
        return json.dumps(error.extensions["errors"])


def calls(function: Callable[[], object]) -> int:
    """Count the calls of Python's functions and of those of C that it makes."""
    count = 0

    def note(_: Any, event: str, __: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return count


EMPTY_LINES = {
    "LF": (b"\n", ","), "CR": (b"\r", ","), "CR LF": (b"\r\n", ","), "blanks": (b" \t \n", ","),
    "separators": (b",,\n", ","), "tabs": (b"\t\t\r\n", "\t"), "quotes": (b'"",""\n', ","),
    "a quoted cell": (b'""\n', ";"), "all": (b'; ;"";\n\n;""\r', ";"),
}  # fmt: skip


@pytest.mark.parametrize(("line", "separator"), EMPTY_LINES.values(), ids=EMPTY_LINES)
def test_empty_lines_cost_nothing_and_are_counted(line, separator):
    head = f"sku{separator}prompt\n".encode()
    row = f"a{separator}b{separator}\n".encode()
    few, many = (head + line * number + row + row for number in (50, 5000))
    found = read_sheet(many).rows
    # Once before: patterns are compiled once, and what words say is remembered.
    read(many)
    assert calls(lambda: read(many)) <= calls(lambda: read(few)) + 50
    # As an editor counts: CR LF is one end of a line.
    ends = (line * 5000).replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n")
    assert [one.line for one in found] == [2 + ends, 3 + ends]


def test_empty_lines_of_jsonl_cost_nothing_and_are_counted():
    few, many = (b"\n \r\n" * n + b'{"sku": "a", "prompt": "b"}\n' for n in (10, 5000))
    assert calls(lambda: read(many, "a.jsonl")) <= calls(lambda: read(few, "a.jsonl")) + 50
    assert [one.line for one in read_sheet(many, name="a.jsonl").rows] == [10_001]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"x\n", "a.csv"), (b"x,y,z,a\n", "a.csv"), (b'"x"y,"\n', "a.csv"),
        (b'"x" y,z,a\n', "a.csv"),
        (b"x\n", "a.jsonl"), (b"[]\n", "a.jsonl"), (b"{}\n", "a.jsonl"),
    ],
)  # fmt: skip
def test_lines_that_are_no_rows_count_as_rows(line, name):
    content = (b"sku,prompt\na,b\n" if name == "a.csv" else b"") + line * (ROOM + 1)
    assert "more than 2,000 rows" in read(content, name)


def many(number: int) -> Mapping[str, tuple[Any, ...]]:
    """Make sheets that are as large as the number says."""
    header = "Handle,Title,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant SKU\n"
    variants = [
        f"h,{'Oak and wool thing' if not n else ''},Material,oak m{n},Color,c{n},s{n}\n"
        for n in range(number)
    ]
    columns = [f"image_{n}" for n in range(number)]
    words = " ".join(f"w{n}" for n in range(number))
    return {
        "variants of one product": ((header + "".join(variants)).encode(),),
        "columns that some row has": ([
            {"sku": str(n), "prompt": "x", columns[n]: "a.png"} for n in range(number)
        ],),
        "columns that no row has": (
            ("\t".join(["sku", "prompt", *columns]) + "\n" + "a\tb\n" * number).encode(), "a.tsv",
        ),
        "columns that no row has, and a template": (
            ("\t".join(["sku", "Main Color", *columns]) + "\n" + "a\tb\n" * number).encode(),
            "a.tsv", {"template": "{{ main_color }} mug"},
        ),
        "lookalikes": ([
            {"sku": str(n), "prompt": "x", "color": f"c{n}", "material": f"m{n}"}
            for n in range(number)
        ],),
        "a text that does not mention": (
            [{"sku": "a", "t": words, "w": f"{words.rpartition(' ')[0]} other"}], "", {
                "template": "ok {% if t is mentioning(w) %}x{% endif %}",
            },
        ),
        "equal words": (
            [{"sku": "a", "t": "a " * number, "w": "a " * (number // 2) + "b"}], "", {
                "template": "ok {% if t is mentioning(w) %}x{% endif %}",
            },
        ),
        "stray quotes": (b"sku,prompt\n" + b'"a"b,' * number + b"\n",),
    }  # fmt: skip


@pytest.mark.parametrize("kind", many(2))
def test_calls_grow_with_the_sheet(kind):
    counts = []
    for number in (200, 400, 800):
        content, *rest = many(number)[kind]
        fields = rest[1] if len(rest) > 1 else {}
        name = rest[0] if rest else "a.csv"
        read(content, name, **fields)
        counts.append(calls(lambda: read(content, name, **fields)))  # noqa: B023
    assert counts[2] - counts[1] < 2.6 * (counts[1] - counts[0]) + 200, counts


def test_a_column_that_is_unknown_is_compared_only_where_it_is_told(monkeypatch):
    compared = []
    monkeypatch.setattr(
        "catalogue.prompts.templates.suggestion", lambda *given: compared.append(given) or ""
    )
    rows = [{"sku": str(n), f"c{n % 50}": "x"} for n in range(ROOM)]
    told = json.loads(read(rows, template="{{ colr }}") or "[]")
    assert told == 0
    assert len(compared) == 1000


@pytest.mark.parametrize(
    ("content", "name"),
    [
        # Each would take hours if it were looked at once more for each of its parts.
        (b"sku,prompt\na," + b"x," * 700_000 + b"\xe9\n", "a.csv"),
        (b"sku,prompt\na,b\n" + b"x" * 1_500_000 + b"\nb,caf\xe9 cr\xe8me\n", "a.csv"),
        (b"sku,prompt\n" + b'"a"b,' * 300_000 + b"\n", "a.csv"),
        (b"sku,prompt\n" + b"(" * 130_000 + b"," + b"[" * 130_000 + b"\n", "a.csv"),
        (b"<rss><channel><!--" + b"x" * 8_000_000 + b"--></channel></rss>", "a.xml"),
        (b'<rss a="' + b"x" * 8_000_000 + b'"></rss>', "a.xml"),
        (b"<rss><channel><item><title>" + b"<b>" * 10 + b"&lt;" * 30_000, "a.xml"),
        ((",".join(["sku", "prompt", *["x"] * 990]) + "\n").encode()
         + (",".join(map(str, range(992))) + "\n").encode() * 200, "a.csv"),
        (b"sku,prompt,description\na,b," + b"<b>" * 40_000 + b"\n", "a.csv"),
        (b"sku,prompt,description\na,b," + b"<!-- " * 25_000 + b"\n", "a.csv"),
        (b"sku,prompt,steps\na,b," + b"9" * 130_000 + b"\n", "a.csv"),
        (b"id\ttitle\tlink\tprice\n1\t" + b"1." * 490 + b"\tl\t1\n", "a.tsv"),
    ],
)  # fmt: skip
def test_long_parts_are_read_in_one_pass(content, name):
    assert read(content, name)


def test_words_that_are_many_are_found_as_they_are():
    text = " ".join(f"word{n}" for n in range(100))
    words = text.split()
    assert mentions(text, " ".join(words[10:60]))
    assert not mentions(text, " ".join([*words[10:59], "other"]))
    assert not mentions(text, " ".join([*words[10:59], "word5"]))


@pytest.mark.parametrize(
    "part",
    [
        "t|striptags", "t|replace('a', 'b')", "t|upper", "t is mentioning('q')", "t is upper",
        "(t ~ t)|length", "[t, t]|join", "t|truncate(9)|length", "t in t|lower",
    ],
)  # fmt: skip
def test_what_one_rendering_looks_at_is_bounded(part):
    few = PromptTemplate(f"ok {{% if {part} %}}x{{% endif %}}")
    assert few.render({"t": "a" * 20_000}).startswith("ok")
    many = PromptTemplate("ok" + f"{{% if {part} %}}x{{% endif %}}" * 105)
    assert many.render({"t": "a" * 200}).startswith("ok")
    with pytest.raises(TemplateProblemError, match="2,000,000 characters"):
        many.render({"t": "a" * 20_000})
    # Of each rendering anew.
    assert few.render({"t": "a" * 20_000}).startswith("ok")


def test_constants_are_no_way_around_it():
    constant = "'" + "a" * 90 + "'" + "|replace('a', 'aaaaaaaaaa')" * 3
    template = "ok" + f"{{% if {constant}|striptags == 'b' %}}x{{% endif %}}" * 70
    with suppress(TemplateProblemError):
        assert PromptTemplate(template).render({}) == "ok"
