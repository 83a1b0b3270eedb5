"""The folder of compiled models may be anything; a worker that cannot use it says so."""

import os
import time
from pathlib import Path

import pytest

from core.errors import InvalidSettingError
from worker.compiled_cache import KEPT_SECONDS, folder_of
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


def test_each_bundle_has_a_folder_and_what_none_has_used_for_a_month_goes(tmp_path):
    kept, used, old = (folder_of(tmp_path, letter * 64) for letter in "abc")
    assert len({kept, used, old}) == 3
    stray = tmp_path / "compiled" / "of-an-older-version.blob"
    for blob in (kept / "1.blob", used / "1.blob", old / "1.blob", stray):
        blob.write_bytes(b"x")
    past = time.time() - KEPT_SECONDS - 60
    for path in (used, old, stray):
        os.utime(path, (past, past))
    assert folder_of(tmp_path, "b" * 64) == used
    assert (kept / "1.blob").exists()
    assert (used / "1.blob").exists()
    assert not old.exists()
    assert not stray.exists()


def test_where_nothing_can_be_kept_that_is_not_what_is_said(tmp_path):
    (tmp_path / "compiled").write_text("x")
    assert folder_of(tmp_path, "a" * 64).parent == tmp_path / "compiled"
