"""What a worker computes in."""

import fcntl
import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

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

DECODER_NEAR_DB = 30.0
"""The same of the decoder, whose output is the image: about 40 dB of its PSNR."""


class Measured(Record):
    """One precision of a part on this machine."""

    seconds: float = Field(description="Of one call.")
    decibels: float | None = Field(
        None, description="Its output's signal over its error; None: none is known."
    )


class Precisions(NamedTuple):
    """What parts are computed in: `f32`, `bf16` or `f16`."""

    unet: str
    decoder: str


class PrecisionTrial(Record):
    """What was measured of a bundle: of each part by precision."""

    unet: dict[str, Measured]
    decoder: dict[str, Measured]


class Choice(Record):
    """What a bundle is computed in on machines with the same kernels, and why."""

    unet: str
    decoder: str
    measured: PrecisionTrial

    @property
    def precisions(self) -> Precisions:
        """Return what was chosen."""
        return Precisions(unet=self.unet, decoder=self.decoder)


Measure = Callable[[Collection[str]], PrecisionTrial]
"""Measures a bundle in some precisions, of which the first is f32."""


def inference_precision(
    settings: Settings, bundle: Manifest, folder: Path, *, again: bool = False
) -> Precisions:
    """Return the precisions of the UNet and the decoder.

    What the settings name is taken; else what the bundle was built for. fp16 and int8 say how
    weights are stored: these are computed in what is fastest here of what comes near to f32. A
    processor that can compute in less is not always faster so, and only measuring tells. That is
    done once, by the first worker of a home folder; those that start beside it wait for it, so
    that all compute the same images. The encoders stay in f32: they run once for an image or a
    text, and what is rounded there reaches every step.

    Args:
        settings: The worker's.
        bundle: Its model's manifest.
        folder: Where the model is.
        again: Whether it is measured although it was.

    Raises:
        BundleError: A part of it cannot be read.
    """
    if settings.inference_precision != "auto":
        return Precisions(settings.inference_precision, settings.inference_precision)
    abilities = ov.Core().get_property(settings.device, "OPTIMIZATION_CAPABILITIES")
    return choose_precision(
        bundle,
        abilities,
        home=settings.home.expanduser(),
        kernels=f"{settings.device} {this_machine().kernels}",
        measure=lambda precisions: _measure(folder, settings, precisions),
        again=again,
    )


def choose_precision(
    bundle: Manifest,
    abilities: Collection[str],
    *,
    home: Path,
    kernels: str,
    measure: Measure,
    again: bool = False,
) -> Precisions:
    """Return the precisions of a bundle on a machine where the settings name none.

    Args:
        bundle: Its manifest.
        abilities: The processor's, as OpenVINO calls them.
        home: Where choices are kept.
        kernels: Names what decides how quick and how exact a precision is there.
        measure: Measures the bundle; called where there is something to choose.
        again: Whether to measure although a choice is kept.
    """
    less = [precision for ability, precision in LESS.items() if ability in abilities]
    if bundle.precision == "fp32" or not less:
        return Precisions(EXACT, EXACT)
    if bundle.precision == "bf16" and "bf16" in less:
        return Precisions("bf16", "bf16")
    path = _file(home, bundle, kernels)
    with _alone(path.parent):
        choice = None if again else _read(path)
        if choice is None:
            choice = choose(measure([EXACT, *less]))
            log.info("measured what to compute in", **choice.model_dump())
            _write(path, choice)
    return choice.precisions


def kept_choice(settings: Settings, bundle: Manifest) -> Choice | None:
    """Return what was chosen for a bundle on machines like this one, and why; None: nothing was."""
    kernels = f"{settings.device} {this_machine().kernels}"
    return _read(_file(settings.home.expanduser(), bundle, kernels))


def _file(home: Path, bundle: Manifest, kernels: str) -> Path:
    name = f"{bundle.revision[:16]}-{hashlib.sha256(kernels.encode()).hexdigest()[:12]}.json"
    return home / "precisions" / name


def choose(trial: PrecisionTrial) -> Choice:
    """Choose for each part the fastest of what comes near to f32; f32 where none gains enough."""
    return Choice(
        unet=_fastest(trial.unet, NEAR_DB),
        decoder=_fastest(trial.decoder, DECODER_NEAR_DB),
        measured=trial,
    )


def _fastest(measured: Mapping[str, Measured], near: float) -> str:
    exact = measured[EXACT].seconds
    good = {
        name: one.seconds
        for name, one in measured.items()
        if one.decibels is not None and one.decibels >= near and one.seconds * GAIN <= exact
    }
    return min(good, key=good.__getitem__, default=EXACT)


def _measure(folder: Path, settings: Settings, precisions: Collection[str]) -> PrecisionTrial:
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
