"""JSON files: of a model's parts, and records that other versions of packshot may have written.

The API reads them, so nothing here imports torch, openvino, diffusers, optimum or nncf.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from core.errors import BundleError

INDEX = "model_index.json"
"""What makes a folder a model in diffusers' layout."""

_OPENVINO = "OV"
"""Older versions of optimum-intel wrote the names of their own classes."""


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
        raise BundleError(f"{path} cannot be read ({error}): {way_out}.") from error
    found = content.get("format") if isinstance(content, dict) else None
    if isinstance(found, int) and found > newest:
        raise BundleError(
            f"{path} has format {found}, but this packshot reads up to {newest}: "
            f"upgrade packshot, or {way_out}."
        )
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise BundleError(f"{path} is damaged ({first_fault(error)}): {way_out}.") from error


def first_fault(error: ValidationError) -> str:
    """Return what is wrong with a file's content first, and where in it."""
    first = error.errors()[0]
    where = ".".join(str(step) for step in first["loc"]) or "the record"
    return f"{where}: {first['msg']}"


def pipeline_kind(index: Mapping[str, Any]) -> str:
    """Return the class of diffusers that a model_index.json names."""
    return str(index.get("_class_name")).removeprefix(_OPENVINO)


SECOND_ENCODER = "text_encoder_2"


def text_encoders(index: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the folders of a model's text encoders; models of Stable Diffusion XL have two.

    Args:
        index: Its model_index.json.
    """
    two = pipeline_kind(index).startswith("StableDiffusionXL")
    return ("text_encoder", SECOND_ENCODER) if two else ("text_encoder",)


def tokenizer_of(encoder: str) -> str:
    """Return the folder of a text encoder's tokenizer."""
    return encoder.replace("text_encoder", "tokenizer")


def scheduler_kind(index: Mapping[str, Any], scheduler: Mapping[str, Any]) -> str:
    """Return the class of diffusers that a model's scheduler is loaded as.

    Args:
        index: Its model_index.json, whose word counts.
        scheduler: Its scheduler_config.json, which says what it was saved by.
    """
    entry = index.get("scheduler")
    named = entry[1] if isinstance(entry, list) and len(entry) == 2 else None
    return str(named or scheduler.get("_class_name"))


def read_json(path: Path) -> dict[str, Any]:
    """Read a part's configuration.

    Raises:
        BundleError: It is not there, or no JSON object.
    """
    try:
        content: Any = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise BundleError(
            f"{path} is missing. Give a complete Stable Diffusion model in diffusers' layout."
        ) from None
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read ({error}). Download the model again.") from error
    if not isinstance(content, dict):
        raise BundleError(f"{path} is damaged. Download the model again.")
    return content


def write_json(content: Mapping[str, Any], path: Path) -> None:
    """Write a part's configuration, without the folder that it was once loaded from."""
    kept = {key: value for key, value in content.items() if key != "_name_or_path"}
    path.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
