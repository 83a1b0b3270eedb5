"""The folder in which an API's processes count goes with the API, however that ends."""

import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from api.process.folder import PREFIX, locked_folder

HOLD = """
import time
from api.process.folder import locked_folder
with locked_folder() as folder:
    (folder / "counter.db").write_text("1")
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_what_a_killed_process_left_is_removed_and_nothing_of_one_that_lives(temporary: Path):
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True) as held:
        left = Path(held.stdout.readline().strip())
        try:
            with locked_folder() as own:
                assert left.exists()
                assert set(temporary.glob(f"{PREFIX}*")) == {left, own}
            assert not own.exists()
        finally:
            held.kill()
    assert left.exists()
    with locked_folder() as own:
        assert list(temporary.glob(f"{PREFIX}*")) == [own]
    assert list(temporary.iterdir()) == []


def test_a_link_in_place_of_a_folder_is_left_alone(temporary: Path):
    (temporary / "precious").mkdir()
    (temporary / f"{PREFIX}x").symlink_to(temporary / "precious")
    (temporary / f"{PREFIX}y").write_text("no folder")
    with locked_folder():
        pass
    assert (temporary / "precious").is_dir()


def test_those_that_start_together_do_not_take_each_other_for_leftovers(temporary: Path):
    def hold(_: int) -> Path:
        with locked_folder() as folder:
            assert folder.is_dir()
            return folder

    with ThreadPoolExecutor(16) as pool:
        assert len(set(pool.map(hold, range(400)))) == 400
    assert list(temporary.iterdir()) == []
