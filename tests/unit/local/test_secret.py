import stat
from pathlib import Path

from local.secret import remembered_secret, write_private


def test_a_secret_is_made_once_and_is_private(tmp_path: Path):
    file = tmp_path / "password"
    secret = remembered_secret(file)
    assert len(secret) == 32
    assert remembered_secret(file) == secret
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_two_secrets_differ(tmp_path: Path):
    assert remembered_secret(tmp_path / "a") != remembered_secret(tmp_path / "b")


def test_a_private_file_replaces_a_public_one(tmp_path: Path):
    file = tmp_path / "settings"
    file.write_text("old")
    file.chmod(0o644)
    write_private(file, "new")
    assert file.read_text() == "new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
