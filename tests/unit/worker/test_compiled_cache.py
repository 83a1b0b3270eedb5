"""The folder of compiled models may be anything; a worker that cannot use it says so."""

from pathlib import Path

import pytest

from core.errors import InvalidSettingError
from worker.compiler import _alone_in


def a_file(home: Path) -> None:
    (home / "compiled").write_text("x")


def below_a_file(home: Path) -> None:
    home.rmdir()
    home.write_text("x")


def a_folder_for_a_lock(home: Path) -> None:
    (home / "compiled" / "lock").mkdir(parents=True)


def a_link_to_nowhere(home: Path) -> None:
    (home / "compiled").symlink_to("nowhere/at/all")


@pytest.mark.parametrize("spoil", [a_file, below_a_file, a_folder_for_a_lock, a_link_to_nowhere])
def test_a_cache_that_is_no_folder_is_named_with_what_to_do(tmp_path, spoil):
    home = tmp_path / "home"
    home.mkdir()
    spoil(home)
    with pytest.raises(InvalidSettingError) as caught, _alone_in(home / "compiled"):
        pass
    assert f"{home}/compiled" in caught.value.detail
    assert "Move away" in caught.value.detail


def test_a_cache_that_is_not_there_is_made(tmp_path):
    with _alone_in(tmp_path / "home" / "compiled"):
        assert (tmp_path / "home" / "compiled").is_dir()
