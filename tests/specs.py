"""Specs and requests in one line: what is not given is the same everywhere."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from core.domain.image_request import ImageRequest, ModelRevision
from core.domain.image_spec import PARAMETERS, ImageSpec
from core.domain.lanes import Lane

DEFAULTS: Mapping[str, Any] = {
    "prompt": "red mug",
    "negative_prompt": "",
    "width": 64,
    "height": 64,
    "steps": 4,
    "guidance_scale": 1.0,
    "scheduler": "ddim",
    "seed": None,
}


def apart(values: Mapping[str, Any]) -> dict[str, Any]:
    """Put a spec's fields among `values` into a spec."""
    rest = {name: value for name, value in values.items() if name not in PARAMETERS}
    return rest | {"spec": ImageSpec.of(DEFAULTS | values)}


def wanted(product: str = "red mug", **values: Any) -> ImageRequest:
    """Make a wanted image; the same product means the same image."""
    return ImageRequest(**apart({"prompt": product, "model": made_by("r1")} | values))


def made_by(revision: str, **values: Any) -> ModelRevision:
    """Name a model by its revision alone."""
    return ModelRevision(**{"name": "default", "revision": revision} | values)


def row_request(**values: Any) -> Any:
    """Make a request to the engine."""
    from worker.rows import RowRequest

    identified = {"identity": uuid4(), "lane": Lane.STANDARD, "seed": 1}
    return RowRequest(**apart(identified | values))
