"""The starter model as people run it, and the engine on it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from core.lanes import Lane
from worker.rows import RowRequest


@pytest.fixture(scope="session")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the shipped weights."""
    from bundles.export import build
    from bundles.starter import SOURCE

    target = tmp_path_factory.mktemp("bundles") / "starter"
    build(SOURCE, target, precision="fp16")
    return target


@pytest.fixture(scope="session")
def pipeline(starter: Path):
    from worker.pipeline import Pipeline

    return Pipeline(starter)


@pytest.fixture
def engine(pipeline) -> Iterator[Any]:
    from worker.engine import Engine

    engine = Engine(pipeline, row_limit=8)
    engine.start()
    yield engine
    engine.close()


@pytest.fixture
def make() -> Callable[..., RowRequest]:
    def make(**changes: Any) -> RowRequest:
        values: dict[str, Any] = {
            "identity": uuid4(),
            "prompt": "a striped red mug on a white background",
            "negative_prompt": "",
            "width": 128,
            "height": 128,
            "steps": 20,
            "guidance_scale": 3.0,
            "scheduler": "dpmpp_2m",
            "seed": 1,
            "lane": Lane.STANDARD,
        }
        return RowRequest(**values | changes)

    return make


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two 8-bit images, in dB; infinite when they are equal."""
    error = np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))
