"""Parts of microscopic models, converted once in each process of the tests.

Of the two to four seconds of the processors that a build of one takes, nearly all go into tracing
and converting the same four parts.
"""

import hashlib
import shutil
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from core.errors import BundleError

CONVERSIONS = (
    "convert_text_encoder",
    "convert_vae_decoder",
    "convert_vae_encoder",
    "convert_unet",
)
MOST_BYTES = 4 * 2**20
"""Of a folder; larger models are real ones, and built seldom."""

Convert = Callable[..., Any]


def convert_once(assembly: Any, copies: Path, patch: pytest.MonkeyPatch) -> None:
    """Have builds take clones of what was converted of a folder with the same content."""
    for name in CONVERSIONS:
        patch.setattr(assembly, name, _once(getattr(assembly, name), copies / name))


def _once(convert: Convert, copies: Path) -> Convert:
    converted: dict[str, Any] = {}

    @wraps(convert)
    def take(folder: Path, plan: object = None, features: object = None) -> Any:
        options = [] if plan is None and features is None else [plan, features]
        if features is not None or _size(folder) > MOST_BYTES:
            return convert(folder, *options)
        key = hashlib.sha256(_digest(folder) + repr(options).encode()).hexdigest()
        if key not in converted:
            # Models share the memory of the file that they were read from, which tests change.
            copy = shutil.copytree(folder, copies / key, dirs_exist_ok=True)
            try:
                converted[key] = convert(copy, *options)
            except BundleError:
                return convert(folder, *options)  # its message names the folder
        return converted[key].clone()

    return take


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in _files(folder))


def _digest(folder: Path) -> bytes:
    digest = hashlib.sha256()
    for file in _files(folder):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(folder)} {len(content)} ".encode() + content)
    return digest.digest()
