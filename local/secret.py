"""Passwords that the stack makes for itself."""

import os
import secrets
from pathlib import Path


def remembered_secret(file: Path) -> str:
    """Return the secret kept in `file` (mode 600), made at the first call."""
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        secret = secrets.token_hex(16)
        write_private(file, secret + "\n")
        return secret


def write_private(file: Path, text: str) -> None:
    """Write a file, in one step, that only its owner can read."""
    unfinished = file.with_name(file.name + ".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.replace(file)
