"""The table of models and schedulers, in a document."""

from pathlib import Path

from benchmarks.parity import BEGIN, COLUMNS, END, NOT_MEASURED, PICTURE, read, table, write
from core.domain.schedulers import SCHEDULERS

DOCUMENT = Path(__file__).parents[3] / "docs" / "models.md"


def test_a_row_per_model_and_a_column_per_scheduler():
    found = dict.fromkeys(SCHEDULERS, 51.6) | {"pndm": None}
    heading, _, row = table({"tiny": found}).splitlines()
    assert heading.count("|") == row.count("|") == len(COLUMNS) + 2
    assert row.startswith("| tiny | 52 |")
    assert row.split("|")[2 + list(found).index("pndm")].strip() == "—"


def test_only_what_stands_between_the_lines_is_replaced(tmp_path: Path):
    copy = tmp_path / "models.md"
    copy.write_text(DOCUMENT.read_text(encoding="utf-8"), encoding="utf-8")
    before = copy.read_text(encoding="utf-8")
    write(copy, r"a \1 table")
    after = copy.read_text(encoding="utf-8")
    assert after.split(BEGIN)[0] == before.split(BEGIN)[0]
    assert after.split(END)[1] == before.split(END)[1]
    assert rf"{BEGIN}\n\na \1 table\n\n{END}".replace(r"\n", "\n") in after


def test_what_is_measured_alone_changes_its_own_cells():
    before = table({"SDXL-Turbo": {"ddim": 50.0, "tcd": 60.0}, "SD-Turbo": {"ddim": 70.0}})
    after = table({"SDXL-Turbo": {"tcd": None, PICTURE: 80.0}}, before)
    cells = {
        row[0]: dict(zip(COLUMNS, row[1:], strict=True))
        for row in (
            [one.strip() for one in line.strip("|").split("|")] for line in after.splitlines()
        )
    }
    assert cells["SD-Turbo"] == dict.fromkeys(COLUMNS, NOT_MEASURED) | {"ddim": "70"}
    changed = {"ddim": "50", "tcd": "—", PICTURE: "80"}
    assert cells["SDXL-Turbo"] == dict.fromkeys(COLUMNS, NOT_MEASURED) | changed


def test_the_table_in_the_guide_is_read_and_written_as_it_is():
    there = read(DOCUMENT).strip()
    assert table({}, there) == there
