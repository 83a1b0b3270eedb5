"""Post-training INT8 for the VAE decoder, on the microscopic model."""

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest

from modelkit.export.conversion import convert_vae_decoder
from modelkit.export.source import read_profile
from modelkit.export.unet import convert_unet
from modelkit.progress import Silent
from modelkit.quantise import decoder as subject
from modelkit.quantise.calibration_pictures import HELD_ASIDE, PICTURES, draw_calibration
from modelkit.quantise.decoder import quantise_decoder
from tests.int8 import exact_int8

STEPS = 2


class Listening(Silent):
    """Remembers the stages and their totals."""

    def __init__(self) -> None:
        self.stages: dict[str, int | None] = {}

    def stage(self, name: str, total: int | None) -> None:
        self.stages[name] = total


@pytest.fixture(scope="module")
def decoder(microscopic: Path) -> ov.Model:
    return convert_vae_decoder(microscopic / "vae")


@pytest.fixture(scope="module")
def unet(microscopic: Path) -> ov.Model:
    return convert_unet(microscopic / "unet")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def quantised(microscopic: Path, decoder: ov.Model, unet: ov.Model, workdir: Path) -> Any:
    return quantise_decoder(decoder, unet, microscopic, workdir=workdir, say=Silent())


@pytest.fixture(scope="module")
def latents(microscopic: Path, unet: ov.Model, workdir: Path, quantised: Any) -> np.ndarray:
    """Such as the model draws."""
    _, others = draw_calibration(
        unet, microscopic, read_profile(microscopic), workdir=workdir, say=Silent()
    )
    return np.concatenate([one.latents for one in others])


def decode(model: ov.Model, latents: np.ndarray) -> np.ndarray:
    return ov.Core().compile_model(model, "CPU", exact_int8())(latents)[0]


def test_weights_become_int8_and_images_stay_alike(decoder, quantised, latents):
    model, account = quantised
    types = [op.get_element_type() for op in model.get_ops() if op.get_type_name() == "Constant"]
    assert types.count(ov.Type.i8) > 20
    assert ov.Type.i8 not in [op.get_element_type() for op in decoder.get_ops()
                              if op.get_type_name() == "Constant"]  # fmt: skip
    exact, seen = decode(decoder, latents), decode(model, latents)
    assert 0 < np.sqrt(np.mean((exact - seen) ** 2)) < 0.2 * np.std(exact)
    assert (account.method, account.samples) == ("ptq", PICTURES)


def test_where_latents_come_in_and_pixels_go_out_stays_in_floating_point(quantised):
    model, account = quantised
    assert len(account.kept) == 3
    layers = {op.get_friendly_name(): op for op in model.get_ops()}
    for name in account.kept:
        inputs = [layers[name].input_value(port).get_node() for port in (0, 1)]
        assert "FakeQuantize" not in {node.get_type_name() for node in inputs}


def test_an_image_is_the_same_alone_and_in_company(quantised, latents):
    model, _ = quantised
    together = decode(model, latents)
    for number, one in enumerate(latents):
        assert np.allclose(together[number], decode(model, one[None])[0], atol=1e-5)


def test_the_unet_s_own_trajectories_are_taken(microscopic, decoder, unet, quantised, workdir):
    """Whatever they were drawn for: what is there is not drawn again."""
    files = {file: file.read_bytes() for file in (workdir / "trajectories").iterdir()}
    assert len(files) == PICTURES + HELD_ASIDE
    say = Listening()
    _, account = quantise_decoder(decoder, unet, microscopic, workdir=workdir, say=say)
    assert say.stages["draw pictures to calibrate on"] == 0
    assert say.stages["quantise the decoder"] == PICTURES
    assert account == quantised[1]
    next(iter(files)).unlink()
    quantise_decoder(decoder, unet, microscopic, workdir=workdir, say=say)
    assert say.stages["draw pictures to calibrate on"] == STEPS
    assert {file: file.read_bytes() for file in files} == files


def test_large_pictures_are_calibrated_on_in_parts(
    microscopic, decoder, unet, workdir, monkeypatch
):
    seen: list[np.ndarray] = []

    def pretend(model, recipe, calls, *, say):
        seen.extend(call["latent_sample"] for call in calls)
        return model

    monkeypatch.setattr(subject, "quantise", pretend)
    quantise_decoder(decoder, unet, microscopic, workdir=workdir, say=Silent())
    whole = seen.copy()
    assert {one.shape for one in whole} == {(1, 4, 4, 4)}
    seen.clear()
    monkeypatch.setattr(subject, "CALIBRATED_PIXELS", 16)
    quantise_decoder(decoder, unet, microscopic, workdir=workdir, say=Silent())
    assert {one.shape for one in seen} == {(1, 4, 2, 2)}
    corners = [one for one, all_of_it in zip(seen, whole, strict=True)
               if np.array_equal(one, all_of_it[:, :, :2, :2])]  # fmt: skip
    assert 0 < len(corners) < len(seen)
