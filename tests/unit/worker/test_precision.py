"""What a worker computes in where nobody says: what is fastest of what is near enough."""

import json
import threading
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bundles.manifest import Manifest
from worker.precision import Measured, Precisions, PrecisionTrial, choose, choose_precision

BUNDLE = Manifest(name="mug", revision="a" * 64, source="mug", precision="fp16")

NONE = ["FP32", "INT8", "BIN"]
SOME = ["FP32", "BF16", "INT8"]
ALL = ["FP32", "FP16", "BF16", "INT8"]


class Bench:
    """Knows how fast and how near each precision is, and which were asked for."""

    def __init__(self, **known: tuple[float, float | None]) -> None:
        self.known = {"f32": (1.0, None), "bf16": (0.5, 40.0), "f16": (0.6, 60.0)} | known
        self.decoder: dict[str, tuple[float, float | None]] = {}
        """What is otherwise of the decoder."""
        self.calls: list[list[str]] = []

    def __call__(self, precisions: Collection[str]) -> PrecisionTrial:
        self.calls.append(list(precisions))
        return PrecisionTrial(
            unet=self._measured(precisions, self.known),
            decoder=self._measured(precisions, self.known | self.decoder),
        )

    def _measured(
        self, precisions: Collection[str], known: Mapping[str, tuple[float, float | None]]
    ) -> dict[str, Measured]:
        found = {name: known[name] for name in precisions}
        return {name: Measured(seconds=one[0], decibels=one[1]) for name, one in found.items()}


@pytest.mark.parametrize(
    ("known", "abilities", "expected"),
    [
        ({}, SOME, "bf16"),
        ({}, ALL, "bf16"),
        ({"bf16": (1.5, 40.0)}, SOME, "f32"),
        ({"bf16": (1.5, 40.0)}, ALL, "f16"),
        ({"bf16": (0.95, 40.0)}, SOME, "f32"),
        ({"bf16": (0.5, 12.0)}, SOME, "f32"),
        ({"bf16": (0.5, None)}, SOME, "f32"),
        ({"bf16": (0.5, None), "f16": (0.4, None)}, ALL, "f32"),
    ],
)
def test_the_fastest_that_is_near_enough_is_taken(
    tmp_path: Path, known, abilities: list[str], expected: str
):
    bench = Bench(**known)
    chosen = choose_precision(BUNDLE, abilities, home=tmp_path, kernels="k", measure=bench)
    assert chosen == Precisions(expected, expected)
    assert bench.calls == [["f32", *(["bf16", "f16"] if "FP16" in abilities else ["bf16"])]]


@pytest.mark.parametrize(
    ("built_for", "abilities", "expected"),
    [
        ("fp32", ALL, "f32"),
        ("fp32", NONE, "f32"),
        ("bf16", SOME, "bf16"),
        ("bf16", NONE, "f32"),
        ("fp16", NONE, "f32"),
        ("int8", NONE, "f32"),
    ],
)
def test_nothing_is_measured_where_nothing_is_to_be_chosen(
    tmp_path: Path, built_for: str, abilities: list[str], expected: str
):
    bundle = BUNDLE.model_copy(update={"precision": built_for})
    bench = Bench()
    chosen = choose_precision(bundle, abilities, home=tmp_path, kernels="k", measure=bench)
    assert chosen == Precisions(expected, expected)
    assert (bench.calls, list(tmp_path.iterdir())) == ([], [])


def test_it_is_measured_once_for_a_bundle_and_the_kernels_of_a_machine(tmp_path: Path):
    bench = Bench()

    def chosen(bundle: Manifest, kernels: str) -> str:
        found = choose_precision(bundle, SOME, home=tmp_path, kernels=kernels, measure=bench)
        return found.unet

    assert [chosen(BUNDLE, "k"), chosen(BUNDLE, "k")] == ["bf16", "bf16"]
    assert len(bench.calls) == 1
    chosen(BUNDLE, "other")
    chosen(BUNDLE.model_copy(update={"revision": "b" * 64}), "k")
    assert len(bench.calls) == 3


def test_workers_that_start_together_measure_once_and_agree(tmp_path: Path):
    # Each would choose otherwise.
    benches = [Bench(), Bench(bf16=(9.0, 40.0)), Bench(bf16=(9.0, 40.0))]
    found: list[str] = []

    def start(bench: Bench) -> None:
        chosen = choose_precision(BUNDLE, SOME, home=tmp_path, kernels="k", measure=bench)
        found.append(chosen.unet)

    threads = [threading.Thread(target=start, args=(bench,)) for bench in benches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert sum(len(bench.calls) for bench in benches) == 1


def test_a_choice_that_cannot_be_read_is_made_again(tmp_path: Path):
    bench = Bench()
    choose_precision(BUNDLE, SOME, home=tmp_path, kernels="k", measure=bench)
    (path,) = (tmp_path / "precisions").glob("*.json")
    stored = json.loads(path.read_text())
    assert (stored["unet"], stored["decoder"]) == ("bf16", "bf16")
    assert stored["measured"]["unet"]["f32"]["seconds"] == 1.0
    path.write_text("{}")
    with capture_logs() as logs:
        choose_precision(BUNDLE, SOME, home=tmp_path, kernels="k", measure=bench)
    assert logs[0]["log_level"] == "warning"
    assert json.loads(path.read_text()) == stored


def test_a_choice_says_why():
    measured = Bench(bf16=(1.5, 40.0))(["f32", "bf16"])
    assert choose(measured).measured == measured


@pytest.mark.parametrize(
    ("decoder", "expected"),
    [
        ((1.5, 60.0), Precisions("bf16", "f32")),
        ((0.5, 28.0), Precisions("bf16", "f32")),
        ((0.5, 31.0), Precisions("bf16", "bf16")),
    ],
)
def test_the_decoder_is_chosen_by_itself_and_more_strictly(tmp_path: Path, decoder, expected):
    bench = Bench()
    bench.decoder = {"bf16": decoder}
    chosen = choose_precision(BUNDLE, SOME, home=tmp_path, kernels="k", measure=bench)
    assert chosen == expected


def test_it_is_measured_again_where_somebody_asks(tmp_path: Path):
    bench = Bench()
    for again in (False, True, False):
        choose_precision(BUNDLE, SOME, home=tmp_path, kernels="k", measure=bench, again=again)
    assert len(bench.calls) == 2
