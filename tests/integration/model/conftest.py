"""The starter model as people run it, and the engine on it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.specs import row_request
from tests.support.made_once import MadeOnce
from worker.rows import RowRequest

PATIENCE = 300

SAME_IN_COMPANY_DB = 50.0
"""The published tolerance: a row alone, and among others (docs/decisions/0004)."""


@pytest.fixture(scope="session")
def starter(made_once: MadeOnce) -> Path:
    """A bundle of the shipped weights."""
    from starter import SOURCE

    return made_once.bundle(SOURCE, precision="fp16")


@pytest.fixture(scope="session")
def pipeline(starter: Path):
    from worker.pipeline import Pipeline

    return Pipeline(starter)


@pytest.fixture
def engine(pipeline) -> Iterator[Any]:
    from worker.engine import Engine

    engine = Engine.of_one(pipeline, row_limit=8)
    engine.start()
    yield engine
    engine.close()


@pytest.fixture
def make() -> Callable[..., RowRequest]:
    def make(**changes: Any) -> RowRequest:
        values: dict[str, Any] = {
            "prompt": "a striped red mug on a white background",
            "negative_prompt": "",
            "width": 128,
            "height": 128,
            "steps": 20,
            "guidance_scale": 3.0,
            "scheduler": "dpmpp_2m",
            "seed": 1,
        }
        return row_request(**values | changes)

    return make


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two 8-bit images, in dB; infinite when they are equal."""
    error = np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2)
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def alone_and_together(
    engine: Any, make: Callable[..., RowRequest]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Draw five images that differ in everything, each by itself and then all at once."""
    requests = [
        make(seed=1, scheduler="ddim", steps=8),
        make(seed=2, scheduler="euler_ancestral", steps=11, prompt="a dotted blue lamp"),
        make(seed=3, scheduler="unipc", steps=5, guidance_scale=1.0),
        make(seed=4, scheduler="dpmpp_2m", steps=9, guidance_scale=5.0, negative_prompt="wood"),
        make(seed=5, scheduler="pndm", steps=7, prompt="a green chair on a wooden table"),
    ]
    alone = [engine.submit(request).result(PATIENCE).image for request in requests]
    tickets = [engine.submit(request) for request in requests]
    together = [ticket.result(PATIENCE).image for ticket in tickets]
    return list(zip(alone, together, strict=True))


@pytest.fixture
def bundle(made_once: MadeOnce, tmp_path: Path) -> Path:
    """A microscopic bundle in a home of its own, under the name `tiny`."""
    return Path(shutil.copytree(made_once.bundle(), tmp_path / "home" / "bundles" / "tiny"))


@pytest.fixture
def run_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run `packshot` in an empty folder; give exit code, standard output and standard error."""
    from cli.main import main
    from core.settings import get_settings

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PACKSHOT_HOME", str(tmp_path / "home"))

    def call(*arguments: object) -> tuple[int, str, str]:
        get_settings.cache_clear()
        monkeypatch.setattr("sys.argv", ["packshot", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call
