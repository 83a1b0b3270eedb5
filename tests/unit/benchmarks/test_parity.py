"""The table of models and schedulers, in a document."""

from pathlib import Path

from benchmarks.parity import BEGIN, END, table, write
from core.domain.schedulers import SCHEDULERS

DOCUMENT = Path(__file__).parents[3] / "docs" / "models.md"


def test_a_row_per_model_and_a_column_per_scheduler():
    found = dict.fromkeys(SCHEDULERS, 51.6) | {"pndm": None}
    heading, _, row = table({"tiny": found}).splitlines()
    assert heading.count("|") == row.count("|") == len(SCHEDULERS) + 2
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
