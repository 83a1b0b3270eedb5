"""What docs/architecture.md says of files is so."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
WALKS, MODULES = TEXT.split("## The walks\n")[1].split("## Modules\n")
ROWS = re.findall(r"^\| (`.*?) \|", MODULES, re.MULTILINE)
MOST_ROWS = 40
"""More of them, and nobody reads the table."""


def names(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


@pytest.mark.parametrize("name", [name for row in ROWS for name in names(row)])
def test_a_module_of_the_table_exists(name: str):
    if name.endswith("/"):
        assert (ROOT / name).is_dir()
    else:
        assert list(ROOT.glob(f"{name}.py"))


def test_the_table_is_short():
    assert 0 < len(ROWS) <= MOST_ROWS


@pytest.mark.parametrize("walk", re.split(r"^### ", WALKS, flags=re.MULTILINE)[1:])
def test_files_of_a_walk_exist(walk: str):
    """A file without a folder is in one that the walk names."""
    found = names(walk)
    paths = [ROOT / name for name in found if name.endswith((".py", "/")) and "/" in name]
    assert paths
    assert [path for path in paths if not path.exists()] == []
    folders = {path if path.is_dir() else path.parent for path in paths}
    bare = [name for name in found if name.endswith(".py") and "/" not in name]
    assert [name for name in bare if not any((one / name).is_file() for one in folders)] == []
