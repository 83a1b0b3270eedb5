"""What the libraries' classes complete and correct in the configurations of real models."""

import json
import shutil
import warnings
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline

from bundles.layout import USED_DEFAULTS, load_layout
from bundles.schedulers import make_scheduler
from core.domain.schedulers import SCHEDULERS
from core.errors import BundleError
from modelkit.export.adoption import adopt
from modelkit.export.build import build
from modelkit.export.configuration import read_configuration, scale_factor
from modelkit.export.source import read_profile
from modelkit.export.unet import convert_unet
from modelkit.progress import Silent
from modelkit.quantise.trajectories import Recorder, draw, pipeline_around
from tests.support.made_once import MadeOnce
from worker.pipeline import Pipeline

EARLY_UNET = (
    "time_cond_proj_dim", "addition_embed_type", "class_embed_type", "num_class_embeds",
    "encoder_hid_dim_type", "encoder_hid_dim", "attention_type", "in_channels", "out_channels",
    "resnet_time_scale_shift", "upcast_attention", "use_linear_projection", "mid_block_type",
)  # fmt: skip
"""What the first versions of diffusers did not write, and what may be left out as a default."""


@pytest.fixture
def source(microscopic: Path, tmp_path: Path) -> Path:
    return shutil.copytree(microscopic, tmp_path / "source")


def edit(path: Path, *, drop: tuple[str, ...] = (), **changes: object) -> None:
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({k: v for k, v in content.items() if k not in drop}))


def early(source: Path) -> Path:
    """Make the files of a model as diffusers 0.6 wrote them."""
    edit(source / "vae" / "config.json", drop=(
        "scaling_factor", "shift_factor", "latents_mean", "force_upcast", "latent_channels",
    ), _diffusers_version="0.6.0", mid_block_add_attention=False)  # fmt: skip
    edit(source / "unet" / "config.json", drop=EARLY_UNET, _diffusers_version="0.6.0")
    return source


def theirs(source: Path) -> StableDiffusionPipeline:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        pipeline = StableDiffusionPipeline.from_pretrained(source, torch_dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def test_a_decoder_without_a_scaling_factor_has_its_class_s(source: Path, tmp_path: Path):
    build(early(source), tmp_path / "bundle", precision="fp32")
    written = json.loads((tmp_path / "bundle" / "vae_decoder" / "config.json").read_text())
    assert written["scaling_factor"] == 0.18215
    latents = np.random.default_rng(0).standard_normal((1, 4, 8, 8)).astype(np.float32) * 0.18215
    vae = AutoencoderKL.from_pretrained(source / "vae").eval()
    with torch.no_grad():
        wanted = vae.decode(torch.from_numpy(latents) / vae.config.scaling_factor).sample.numpy()
    wanted = (wanted.clip(-1, 1) * 127.5 + 127.5).transpose(0, 2, 3, 1)
    ours = Pipeline(tmp_path / "bundle", precision="f32").decode(latents)
    assert np.abs(ours - wanted).max() < 1


def test_every_part_of_an_early_model_is_what_its_class_says(source: Path):
    found, pipeline = read_configuration(early(source)), theirs(source)
    for name, part in {"unet": found.unet, "vae": found.vae}.items():
        config = json.loads(json.dumps(dict(getattr(pipeline, name).config)))
        assert {key: config[key] for key in part} == part
        assert set(EARLY_UNET if name == "unet" else ["scaling_factor"]) <= set(part)
    assert found.encoders["text_encoder"]["max_position_embeddings"] == 77
    assert scale_factor(found.vae) == 8


def test_an_early_model_can_draw_what_it_is_calibrated_on(source: Path, tmp_path: Path):
    early(source)
    recorder = Recorder(convert_unet(source / "unet"), read_configuration(source).unet, Silent())
    defaults = read_profile(source).defaults
    pipeline = pipeline_around(source, recorder, defaults.scheduler)
    latents = draw(pipeline, "a red mug", 3, defaults)
    wanted = theirs(source)(
        "a red mug", num_inference_steps=defaults.steps, guidance_scale=1.0, width=32, height=32,
        generator=torch.Generator().manual_seed(3), output_type="latent",
    ).images  # fmt: skip
    np.testing.assert_allclose(latents, wanted.numpy(), atol=1e-3)


OLD = {
    "nothing but its betas": {
        "_class_name": "DDIMScheduler", "beta_start": 0.00085, "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
    },
    "corrected values, wrong": {
        "_class_name": "DDIMScheduler", "beta_start": 0.00085, "beta_end": 0.012,
        "beta_schedule": "scaled_linear", "steps_offset": 0, "clip_sample": True,
    },
    "PNDM without an offset": {
        "_class_name": "PNDMScheduler", "_diffusers_version": "0.2.1", "beta_start": 0.00085,
        "beta_end": 0.012, "beta_schedule": "scaled_linear", "skip_prk_steps": True,
    },
    "Euler with early names": {
        "_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.7.0",
        "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
        "prediction_type": "v_prediction", "clip_sample": True,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", OLD)
def test_an_old_scheduler_is_corrected_as_its_pipeline_does_it(source: Path, name: str):
    config = OLD[name]
    (source / "scheduler" / "scheduler_config.json").write_text(json.dumps(config))
    edit(source / "model_index.json", scheduler=["diffusers", config["_class_name"]])
    ours, pipeline = read_configuration(source).scheduler, theirs(source)
    for scheduler, kind in SCHEDULERS.items():
        own = kind == config["_class_name"]
        swapped = getattr(diffusers, kind).from_config(pipeline.scheduler.config)
        wanted = pipeline.scheduler if own else swapped
        made = make_scheduler(scheduler, json.loads(json.dumps(ours)))
        known = set(made.config) & set(wanted.config) - {"_diffusers_version", "_class_name"}
        known.discard(USED_DEFAULTS)
        assert {k: made.config[k] for k in known} == {k: wanted.config[k] for k in known}
        for one in (made, wanted):
            one.set_timesteps(5)
        assert made.timesteps.tolist() == wanted.timesteps.tolist()


def test_the_scheduler_s_class_is_the_one_in_the_index(source: Path):
    """What a maker has exchanged there, and forgotten in the scheduler's own file."""
    edit(source / "model_index.json", scheduler=["diffusers", "PNDMScheduler"])
    assert read_configuration(source).scheduler["_class_name"] == "PNDMScheduler"
    assert theirs(source).scheduler.__class__.__name__ == "PNDMScheduler"


def test_an_lcm_s_scheduler_is_taken_as_it_is(source: Path):
    edit(source / "model_index.json", _class_name="LatentConsistencyModelPipeline",
         scheduler=["diffusers", "LCMScheduler"])  # fmt: skip
    edit(source / "scheduler" / "scheduler_config.json", drop=("steps_offset",), clip_sample=True)
    found = read_configuration(source).scheduler
    assert (found["clip_sample"], found["steps_offset"]) == (True, 0)


@pytest.mark.parametrize(("version", "size"), [("0.8.1", 64), ("0.9.0", 32), (None, 32)])
def test_an_old_unet_s_size_is_corrected(source: Path, version: str | None, size: int):
    path = source / "unet" / "config.json"
    edit(path, drop=("_diffusers_version",), sample_size=32)
    if version:
        edit(path, _diffusers_version=version)
    assert read_configuration(source).unet["sample_size"] == size


@pytest.mark.parametrize(
    ("path", "changes", "sentence"),
    [
        ("vae/config.json", {"scaling_factor": None}, "has scaling_factor None"),
        ("vae/config.json", {"latents_mean": [0.1] * 4}, "has latents_mean, .* centres latents"),
        ("vae/config.json", {"shift_factor": 0.1}, "has shift_factor, .* centres latents"),
        ("vae/config.json", {"down_block_types": ["Nothing"]}, r"vae/config\.json cannot be used"),
        ("unet/config.json", {"down_block_types": ["Nothing"] * 2}, r"unet/config\.json cannot be"),
        ("text_encoder/config.json", {"use_attention_mask": True}, "has use_attention_mask"),
        ("model_index.json", {"scheduler": ["diffusers", "NoScheduler"]}, "class NoScheduler"),
    ],
)
def test_what_no_class_takes_is_refused(
    source: Path, tmp_path: Path, path: str, changes: dict[str, object], sentence: str
):
    edit(source / path, **changes)
    with pytest.raises(BundleError, match=sentence):
        build(source, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.fixture
def bundle(made_once: MadeOnce) -> Path:
    return made_once.bundle()


@pytest.mark.parametrize(
    ("path", "drop", "changes", "sentence"),
    [
        ("vae_decoder/config.json", ("scaling_factor",), {}, "the autoencoder's scaling_factor"),
        ("unet/config.json", ("in_channels",), {}, "the UNet's in_channels"),
        ("scheduler/scheduler_config.json", ("steps_offset",), {}, "scheduler's steps_offset"),
        ("scheduler/scheduler_config.json", (), {"clip_sample": True}, "scheduler's clip_sample"),
    ],
)
def test_a_bundle_with_a_raw_configuration_is_to_be_built_again(
    bundle: Path, tmp_path: Path, path: str, drop: tuple[str, ...], changes: dict[str, object],
    sentence: str,
):  # fmt: skip
    old = shutil.copytree(bundle, tmp_path / "old")
    edit(old / path, drop=drop, **changes)
    with pytest.raises(BundleError, match=rf"{sentence} as diffusers .*Build it again"):
        Pipeline(old)
    # Under its own revision the wrong images may still be in a cache.
    with pytest.raises(BundleError, match=sentence):
        adopt(old, tmp_path / "new", source="old", name=None, size=None, say=Silent())


def test_a_converted_model_is_completed_too(bundle: Path, tmp_path: Path):
    converted = shutil.copytree(bundle, tmp_path / "converted")
    (converted / "manifest.json").unlink()
    edit(converted / "vae_decoder" / "config.json", drop=("scaling_factor",))
    edit(converted / "scheduler" / "scheduler_config.json", drop=("steps_offset",),
         clip_sample=True)  # fmt: skip
    build(converted, tmp_path / "adopted")
    layout = load_layout(tmp_path / "adopted")
    assert layout.vae["scaling_factor"] == 0.18215
    assert (layout.scheduler["steps_offset"], layout.scheduler["clip_sample"]) == (1, False)


def test_a_copy_of_a_bundle_keeps_its_configuration(bundle: Path, tmp_path: Path):
    build(bundle, tmp_path / "copy", name="copy")
    assert load_layout(tmp_path / "copy") == load_layout(bundle)
