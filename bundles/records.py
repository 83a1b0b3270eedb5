"""Records in JSON files that other versions of packshot may have written.

The API reads them, so nothing here imports torch, openvino, diffusers, optimum or nncf.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import BundleError


class Record(BaseModel):
    """A frozen record; unknown members are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Kind = TypeVar("Kind", bound=Record)


def read_record(
    path: Path, kind: type[Kind], *, newest: int, missing: Callable[[], str], way_out: str
) -> Kind:
    """Read a record that has a `format`.

    Args:
        path: The file.
        kind: What it holds.
        newest: The newest format that this version reads.
        missing: Says why there is no file, and what to do.
        way_out: What to do about a file that cannot be used.

    Raises:
        BundleError: There is no such file, or it is damaged or from a newer packshot.
    """
    try:
        content: Any = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise BundleError(missing()) from None
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read ({error}): {way_out}") from error
    found = content.get("format") if isinstance(content, dict) else None
    if isinstance(found, int) and found > newest:
        raise BundleError(
            f"{path} has format {found}, but this packshot reads up to {newest}: "
            f"upgrade packshot, or {way_out}"
        )
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "the record"
        raise BundleError(f"{path} is damaged ({where}: {first['msg']}): {way_out}") from error
