"""`packshot tune`: measure this machine once, and let the workers make most of it."""

import os
import re
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from bundles.manifest import Manifest
from bundles.manifest_file import load_manifest
from bundles.plan import TunedPlan, save_plan, this_machine
from bundles.processor import read_features, shortcomings
from cli.bundles import bundle_folder, find_bundle
from cli.console import quieten, say, show, stderr, stdout
from cli.errors import UsageError
from core.cpus import usable_cpus
from core.errors import BundleError, last_line
from core.settings import Settings, get_settings
from local.lock import running
from worker.topology import format_cpus, machine_nodes, physical_cores, settle

if TYPE_CHECKING:
    from modelkit.tuning.measure import Bench
    from modelkit.tuning.search import Result

SLICE_SECONDS = (0.3, 20.0)
"""Shortest and longest look at one candidate; a call that has begun is waited for."""

Bundle = Annotated[
    str | None,
    typer.Argument(
        help="Name of a model, or name or folder of a bundle. Default: the first of "
        "PACKSHOT_MODELS, else PACKSHOT_BUNDLE."
    ),
]
Minutes = Annotated[float, typer.Option(min=0.1, help="How long to measure, in minutes.")]
LatencyBound = Annotated[
    float | None,
    typer.Option(min=0.001, help="Longest acceptable time for one image, in seconds."),
]
ImageSize = Annotated[
    str | None, typer.Option(help="Image size, such as 512x512. Default: the bundle's.")
]


def tune(
    bundle: Bundle = None,
    minutes: Minutes = 5.0,
    latency_bound: LatencyBound = None,
    size: ImageSize = None,
) -> None:
    """Measure how this machine makes images fastest, and store the plan for its workers.

    Tries what UNet and decoder are computed in, then parallel streams, images per batch, threads
    and fixed shapes. Stop whatever else uses the
    machine first. Workers follow the plan from their next start.
    """
    settings = get_settings()
    home = settings.home.expanduser().resolve()
    folder = bundle_folder(settings) if bundle is None else find_bundle(bundle, settings)
    manifest = load_manifest(folder)
    width, height = _size(size, manifest)
    for sentence in shortcomings(read_features(), manifest.precisions):
        say(sentence)
    if running(home) is not None:
        say(
            f"packshot runs on {home}: it makes this measurement wrong while it makes images. "
            "Stop it for a plan to rely on."
        )
    _settle(settings)
    home.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + 60 * minutes
    # Most of what is compiled here is never used again.
    with tempfile.TemporaryDirectory(dir=home, prefix=".tune-") as cache:
        bench = _bench(folder, manifest, settings, Path(cache), (width, height), 60 * minutes)
        _say_precisions(settings, manifest)
        decoding = bench.decode_seconds()
        results, chosen = _search(bench, manifest, end, decoding, latency_bound)
    price = _Price(steps=manifest.defaults.steps, decoding=decoding)
    show(_table(results, chosen, price))
    tuned = TunedPlan(
        plan=chosen.candidate.plan(calls=bench.calls, size=(width, height)),
        machine=this_machine(),
        revision=manifest.revision,
        width=width,
        height=height,
        steps_per_second=chosen.steps_per_second,
        images_per_minute=price.images_per_minute(chosen),
        image_seconds=price.image_seconds(chosen),
        tuned_at=datetime.now(UTC),
    )
    if latency_bound is not None and tuned.image_seconds > latency_bound:
        say(
            f"No plan makes an image in {latency_bound:g} s here; took the fastest, "
            f"with {tuned.image_seconds:.2f} s."
        )
    path = save_plan(home, tuned)
    say("Workers follow this plan from their next start:")
    stdout.print(str(path))


def _say_precisions(settings: Settings, manifest: Manifest) -> None:
    """Show what UNet and decoder are computed in, where there was something to choose."""
    from worker.precision import kept_choice  # noqa: PLC0415 - loads OpenVINO

    choice = kept_choice(settings, manifest) if settings.inference_precision == "auto" else None
    if choice is None:
        say("Nothing to choose: UNet and decoder are computed in one precision here.")
        return
    table = Table("", "part", "precision", "s/call", "dB to f32", box=None)
    parts = ((choice.unet, choice.measured.unet), (choice.decoder, choice.measured.decoder))
    for name, (chosen, measured) in zip(("UNet", "decoder"), parts, strict=True):
        for precision, one in measured.items():
            near = "" if one.decibels is None else f"{one.decibels:.0f}"
            mark = "▸" if precision == chosen else ""
            table.add_row(mark, name, precision, f"{one.seconds:.3f}", near)
    show(table)


class _Price:
    """What a step's price makes of an image's: its steps, and its decoding beside the others'."""

    def __init__(self, *, steps: int, decoding: float) -> None:
        self._steps = steps
        self._decoding = decoding

    def image_seconds(self, result: "Result") -> float:
        return self._steps * result.step_seconds + self._decoding

    def images_per_minute(self, result: "Result") -> float:
        return 60 / (self._steps / result.steps_per_second + self._decoding)


def _size(text: str | None, manifest: Manifest) -> tuple[int, int]:
    """Read a size that the bundle can do.

    Raises:
        UsageError: It is none.
    """
    if text is None:
        return manifest.defaults.width, manifest.defaults.height
    match = re.fullmatch(r"(\d+)[x×](\d+)", text)
    if match is None:
        raise UsageError(f"The size {text!r} cannot be read: write it like 512x512.")
    width, height = int(match[1]), int(match[2])
    sizes = manifest.sizes
    for side in (width, height):
        if not sizes.min <= side <= sizes.max or side % sizes.multiple_of:
            raise UsageError(
                f"{manifest.name} makes no images of {text}: width and height are multiples of "
                f"{sizes.multiple_of} from {sizes.min} to {sizes.max}."
            )
    return width, height


def _settle(settings: Settings) -> None:
    """Use what one worker will use."""
    nodes = machine_nodes()
    if not settings.worker_cpus and len(nodes) > 1:
        say(
            f"This machine has {len(nodes)} NUMA nodes, each with a worker of its own: "
            "measuring one of them."
        )
        settings = settings.model_copy(update={"worker_cpus": format_cpus(nodes[0])})
    settle(settings)


def _bench(
    folder: Path,
    manifest: Manifest,
    settings: Settings,
    cache: Path,
    size: tuple[int, int],
    budget: float,
) -> "Bench":
    with stderr.status(f"Loading {folder}"):
        quieten()
        from modelkit.tuning.measure import Bench  # noqa: PLC0415
        from worker.pipeline import Pipeline  # noqa: PLC0415 - loads torch
        from worker.precision import inference_precision  # noqa: PLC0415

        precisions = inference_precision(settings, manifest, folder, again=True)
        pipeline = Pipeline(
            folder,
            device=settings.device,
            cache=cache,
            precision=precisions.unet,
            decoder_precision=precisions.decoder,
            pinning=settings.inference_pinning,
            decode_tile=settings.decode_tile,
        )
        shortest, longest = SLICE_SECONDS
        # A hundred looks, or as many as begin in time.
        seconds = min(longest, max(shortest, budget / 100))
        return Bench(pipeline, manifest.defaults, size=size, seconds=seconds)


def _search(
    bench: "Bench", manifest: Manifest, end: float, decoding: float, latency_bound: float | None
) -> tuple[Sequence["Result"], "Result"]:
    from modelkit.tuning.search import (  # noqa: PLC0415
        PlanCandidate,
        Sample,
        best,
        candidates,
        search,
        with_fixed_shapes,
        with_threads,
    )

    logical = usable_cpus()
    cores = min(logical, physical_cores(os.sched_getaffinity(0)))
    bound = float("inf")
    if latency_bound is not None:
        bound = (latency_bound - decoding) / manifest.defaults.steps
    count = 0
    with stderr.status("Measuring") as status:

        def measure(candidate: PlanCandidate) -> Sample | None:
            nonlocal count
            count += 1
            left = max(0.0, end - time.monotonic())
            status.update(f"Measurement {count}, at most {left / 60:.1f} min left: {candidate}")
            try:
                return bench.measure(candidate)
            except RuntimeError as error:  # OpenVINO's, of a shape that it cannot compile or hold
                reason = last_line(error)
                say(f"Skipped, as it cannot run here: {candidate} ({reason})")
                return None

        results = search(
            candidates(cores),
            variants=[
                partial(with_threads, cores=cores, logical=logical),
                with_fixed_shapes,
            ],
            measure=measure,
            has_time=lambda: time.monotonic() < end,
            bound=bound,
        )
    if not results:
        raise BundleError("The UNet of this bundle does not run on this machine; see above.")
    return results, best(results, bound=bound)


def _table(results: Sequence["Result"], chosen: "Result", price: _Price) -> Table:
    columns = ("", "streams", "rows", "threads", "batch", "steps/s", "s/image", "images/min", "n")
    table = Table(*columns, box=None)
    for result in sorted(results, key=lambda one: one.steps_per_second, reverse=True):
        one = result.candidate
        table.add_row(
            "▸" if result is chosen else "",
            str(one.streams),
            str(one.rows),
            str(one.threads or "auto"),
            "fixed" if one.fixed else "any",
            f"{result.steps_per_second:.2f}",
            f"{price.image_seconds(result):.2f}",
            f"{price.images_per_minute(result):.1f}",
            str(len(result.samples)),
        )
    return table
