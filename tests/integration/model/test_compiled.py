"""The cache of compiled blobs, from which workers start in seconds."""

import subprocess
import sys

import numpy as np
import pytest
import structlog.testing

from bundles.plan import Plan
from worker.compiler import Compiler
from worker.model import HIDDEN_STATES, StepInputs, stack
from worker.pipeline import Pipeline


def test_a_start_from_blobs_draws_the_same(starter, tmp_path):
    first = Pipeline(starter, cache=tmp_path)
    again = Pipeline(starter, cache=tmp_path)
    (text,), (same,) = (one.encode(["a red mug"]) for one in (first, again))
    assert np.array_equal(text[HIDDEN_STATES], same[HIDDEN_STATES])
    latents = np.random.default_rng(0).standard_normal((1, 4, 16, 16), np.float32)
    assert np.array_equal(first.decode(latents), again.decode(latents))
    inputs = StepInputs(samples=latents, timesteps=[500.0], conditioning=stack([text]))
    predicted = [one.predict(inputs)[0] for one in (first, again)]
    assert np.array_equal(*predicted)


def test_a_second_start_compiles_nothing(starter, tmp_path, monkeypatch):
    compiled = []
    compile_model = Compiler.compile

    def remember(self, *given):
        compiled.append(compile_model(self, *given))
        return compiled[-1]

    monkeypatch.setattr(Compiler, "compile", remember)
    plan = Plan(batches=(4,), size=(64, 64))
    known = {}
    for cached in (False, True):
        compiled.clear()
        Pipeline(starter, cache=tmp_path, plan=plan)
        # Text encoder, decoder, and the UNet for any shape and for the plan's.
        assert [one.get_property("LOADED_FROM_CACHE") for one in compiled] == [cached] * 4
        blobs = {file.name: file.stat().st_mtime_ns for file in tmp_path.glob("*.blob")}
        assert len(blobs) == 4
        assert known in ({}, blobs), "written once"
        known = blobs


def test_processes_that_start_together_share_what_one_compiles(starter, tmp_path):
    code = (
        "import sys; from pathlib import Path; from worker.pipeline import Pipeline;"
        "Pipeline(Path(sys.argv[1]), cache=Path(sys.argv[2]))"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(starter), str(tmp_path / "cache")]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in started:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said


@pytest.mark.parametrize(
    "damage",
    [
        lambda blob: blob[: len(blob) // 2],
        lambda blob: np.random.default_rng(0).bytes(len(blob)),
        lambda blob: b"",
    ],
    ids=["cut in half", "other bytes", "empty"],
)
def test_a_damaged_blob_is_compiled_anew(microscopic, made_once, tmp_path, damage):
    bundle = made_once.bundle(microscopic, precision="fp32")
    latents = np.random.default_rng(0).standard_normal((1, 4, 4, 4), np.float32)
    before = Pipeline(bundle, cache=tmp_path).decode(latents)
    blobs = list(tmp_path.glob("*.blob"))
    assert blobs
    for blob in blobs:
        blob.chmod(0o640)
        blob.write_bytes(damage(blob.read_bytes()))
    assert np.array_equal(Pipeline(bundle, cache=tmp_path).decode(latents), before)


def test_64_flipped_bytes_among_a_blobs_weights_are_noticed(microscopic, made_once, tmp_path):
    """OpenVINO notices none of them, and draws something else."""
    bundle = made_once.bundle(microscopic, precision="fp32")
    latents = np.random.default_rng(0).standard_normal((1, 4, 4, 4), np.float32)
    before = Pipeline(bundle, cache=tmp_path).decode(latents)
    weights = (bundle / "vae_decoder" / "openvino_model.bin").read_bytes()
    middle = len(weights) // 128 * 64
    few = weights[middle : middle + 64]
    (blob,) = [one for one in tmp_path.glob("*.blob") if few in one.read_bytes()]
    blob.chmod(0o640)
    blob.write_bytes(blob.read_bytes().replace(few, bytes(byte ^ 0xFF for byte in few)))

    with structlog.testing.capture_logs() as logs:
        assert np.array_equal(Pipeline(bundle, cache=tmp_path).decode(latents), before)
    (noticed,) = [one for one in logs if one["event"] == "compiled anew"]
    assert (noticed["file"], noticed["reason"]) == (str(blob), "damaged")
    with structlog.testing.capture_logs() as logs:
        assert np.array_equal(Pipeline(bundle, cache=tmp_path).decode(latents), before)
    assert logs == []
