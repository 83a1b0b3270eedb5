"""What a worker computes in."""

import fcntl
import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import openvino as ov
import structlog
from pydantic import Field, ValidationError

from bundles.manifest import Manifest
from bundles.plan import this_machine
from bundles.records import Record
from core.errors import first_line
from core.settings import Settings

log = structlog.get_logger(__name__)

EXACT = "f32"

LESS = {"BF16": "bf16", "FP16": "f16"}
"""Smaller precisions, by what OpenVINO calls a processor's ability to compute in them."""

NEAR_DB = 26.0
"""How far the error of a smaller precision must lie below the UNet's output: to a twentieth."""

GAIN = 1.1
"""How many times faster a smaller precision must be: a twentieth of an error is no bargain else."""


class Measured(Record):
    """One precision of a UNet on this machine."""

    seconds: float = Field(description="Of one call.")
    decibels: float | None = Field(
        None, description="Its output's signal over its error; None: none is known."
    )


class Choice(Record):
    """What a bundle is computed in on machines with the same kernels, and why."""

    precision: str
    measured: dict[str, Measured]


Measure = Callable[[Collection[str]], Mapping[str, Measured]]
"""Measures a UNet in some precisions, of which the first is f32."""


def inference_precision(settings: Settings, bundle: Manifest, folder: Path) -> str:
    """Return the precision of the UNet and the decoder: `f32`, `bf16` or `f16`.

    What the settings name is taken; else what the bundle was built for. fp16 and int8 say how
    weights are stored: these are computed in what is fastest here of what comes near to f32. A
    processor that can compute in less is not always faster so, and only measuring tells. That is
    done once, by the first worker of a home folder; those that start beside it wait for it, so
    that all compute the same images.

    Args:
        settings: The worker's.
        bundle: Its model's manifest.
        folder: Where the model is.

    Raises:
        BundleError: Its UNet cannot be read.
    """
    if settings.inference_precision != "auto":
        return settings.inference_precision
    abilities = ov.Core().get_property(settings.device, "OPTIMIZATION_CAPABILITIES")
    return choose_precision(
        bundle,
        abilities,
        home=settings.home.expanduser(),
        kernels=f"{settings.device} {this_machine().kernels}",
        measure=lambda precisions: _measure(folder, settings, precisions),
    )


def choose_precision(
    bundle: Manifest, abilities: Collection[str], *, home: Path, kernels: str, measure: Measure
) -> str:
    """Return the precision of a bundle on a machine where the settings name none.

    Args:
        bundle: Its manifest.
        abilities: The processor's, as OpenVINO calls them.
        home: Where choices are kept.
        kernels: Names what decides how quick and how exact a precision is there.
        measure: Measures the bundle's UNet; called where there is something to choose.
    """
    less = [precision for ability, precision in LESS.items() if ability in abilities]
    if bundle.precision == "fp32" or not less:
        return EXACT
    if bundle.precision == "bf16" and "bf16" in less:
        return "bf16"
    name = f"{bundle.revision[:16]}-{hashlib.sha256(kernels.encode()).hexdigest()[:12]}.json"
    path = home / "precisions" / name
    with _alone(path.parent):
        choice = _read(path)
        if choice is None:
            choice = choose(measure([EXACT, *less]))
            log.info("measured what to compute in", **choice.model_dump())
            _write(path, choice)
    return choice.precision


def choose(measured: Mapping[str, Measured]) -> Choice:
    """Choose the fastest of the precisions that come near to f32; f32 where none gains enough."""
    exact = measured[EXACT].seconds
    good = {
        name: one.seconds
        for name, one in measured.items()
        if one.decibels is not None and one.decibels >= NEAR_DB and one.seconds * GAIN <= exact
    }
    return Choice(precision=min(good, key=good.__getitem__, default=EXACT), measured=dict(measured))


def _measure(
    folder: Path, settings: Settings, precisions: Collection[str]
) -> Mapping[str, Measured]:
    from worker.precision_trial import measure  # noqa: PLC0415 - seldom

    log.info("measuring what to compute in: once, for some seconds", precisions=list(precisions))
    return measure(folder, precisions, settings=settings)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lock the measurement: two processes of a home folder would slow each other down."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read(path: Path) -> Choice | None:
    try:
        return Choice.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        log.warning("measured again: what was stored cannot be read", reason=first_line(error))
        return None


def _write(path: Path, choice: Choice) -> None:
    aside = path.with_suffix(".part")
    aside.write_text(choice.model_dump_json(indent=2) + "\n", encoding="utf-8")
    aside.replace(path)
