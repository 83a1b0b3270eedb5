"""What a model draws by default, told by the files of its parts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from diffusers import LatentConsistencyModelPipeline

from bundles.manifest import Defaults
from core.errors import BundleError
from modelkit.export.defaults import EMBEDDED_GUIDANCE, is_few_step, source_defaults
from modelkit.export.scheduler_trials import read_working_profile
from modelkit.export.source import PROFILE, read_profile

Write = Callable[..., Path]

TRAILING = {"timestep_spacing": "trailing", "prediction_type": "epsilon"}
LCM = "LatentConsistencyModelPipeline"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write the files of a source that looks like Stable Diffusion 1.5 but for what is given."""

    def write(
        *,
        pipeline: str = "StableDiffusionPipeline",
        scheduler: str = "PNDMScheduler",
        vae_folder: str = "vae",
        levels: int = 4,
        unet: dict[str, Any] | None = None,
        **changes: Any,
    ) -> Path:
        files = {
            "model_index.json": {"_class_name": pipeline},
            "unet/config.json": {"sample_size": 64} | (unet or {}),
            f"{vae_folder}/config.json": {"block_out_channels": [8] * levels},
            "scheduler/scheduler_config.json": {"_class_name": scheduler, "steps_offset": 1}
            | changes,
        }
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(json.dumps(content))
        return tmp_path

    return write


def drawn(defaults: Defaults) -> tuple[str, int, float]:
    return defaults.scheduler, defaults.steps, defaults.guidance_scale


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({}, ("dpmpp_2m", 20, 7.5)),
        ({"scheduler": "DDIMScheduler"}, ("dpmpp_2m", 20, 7.5)),
        ({"scheduler": "DEISMultistepScheduler"}, ("dpmpp_2m", 20, 7.5)),
        ({"scheduler": "EulerDiscreteScheduler"}, ("euler", 20, 7.5)),
        ({"scheduler": "EulerAncestralDiscreteScheduler"}, ("euler_ancestral", 20, 7.5)),
        ({"scheduler": "UniPCMultistepScheduler"}, ("unipc", 20, 7.5)),
        ({"scheduler": "EulerDiscreteScheduler"} | TRAILING, ("euler", 4, 0.0)),
        ({"scheduler": "EulerAncestralDiscreteScheduler"} | TRAILING, ("euler_ancestral", 4, 0.0)),
        (
            {"scheduler": "EulerDiscreteScheduler"}
            | TRAILING
            | {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True},
            ("euler", 20, 7.5),
        ),
        (
            {"scheduler": "EulerDiscreteScheduler", "rescale_betas_zero_snr": True} | TRAILING,
            ("euler", 20, 7.5),
        ),
        ({"scheduler": "DDIMScheduler"} | TRAILING, ("dpmpp_2m", 20, 7.5)),
        ({"scheduler": "LCMScheduler"}, ("lcm", 4, 1.0)),
        ({"scheduler": "TCDScheduler"}, ("tcd", 4, 1.0)),
        ({"unet": {"time_cond_proj_dim": 256}}, ("lcm", 4, EMBEDDED_GUIDANCE)),
        (
            {"pipeline": LCM, "scheduler": "LCMScheduler", "unet": {"time_cond_proj_dim": 256}},
            ("lcm", 4, EMBEDDED_GUIDANCE),
        ),
        ({"pipeline": f"OV{LCM}", "vae_folder": "vae_decoder"}, ("lcm", 4, 1.0)),
    ],
)
def test_the_kind_of_a_model_decides_how_it_draws(write, source, expected):
    assert drawn(source_defaults(write(**source))) == expected
    assert drawn(read_profile(write(**source)).defaults) == expected


def test_the_scheduler_is_the_one_that_diffusers_would_load(write):
    folder = write(scheduler="PNDMScheduler", **TRAILING)
    index = {"_class_name": "StableDiffusionPipeline", "scheduler": ["diffusers", "LCMScheduler"]}
    (folder / "model_index.json").write_text(json.dumps(index))
    assert source_defaults(folder).scheduler == "lcm"


def test_embedded_guidance_is_the_pipelines_own():
    defaults = LatentConsistencyModelPipeline.__call__.__wrapped__.__kwdefaults__ or {}
    names = LatentConsistencyModelPipeline.__call__.__wrapped__.__code__.co_varnames
    values = LatentConsistencyModelPipeline.__call__.__wrapped__.__defaults__ or ()
    count = LatentConsistencyModelPipeline.__call__.__wrapped__.__code__.co_argcount
    known = dict(zip(names[count - len(values) : count], values, strict=True)) | defaults
    assert (known["num_inference_steps"], known["guidance_scale"]) == (4, EMBEDDED_GUIDANCE)


@pytest.mark.parametrize(
    ("unet", "levels", "size"),
    [
        ({"sample_size": 64}, 4, (512, 512)),
        ({"sample_size": 96}, 4, (768, 768)),
        ({"sample_size": 64}, 3, (256, 256)),
        ({"sample_size": [64, 96]}, 4, (768, 512)),
        ({"sample_size": 32, "_diffusers_version": "0.6.0"}, 4, (512, 512)),
        ({"sample_size": 32, "_diffusers_version": "0.21.4"}, 4, (256, 256)),
        ({"sample_size": 96, "_diffusers_version": "0.8.0"}, 4, (768, 768)),
        ({"sample_size": None}, 4, (512, 512)),
    ],
)
def test_the_size_is_the_unets(write, unet, levels, size):
    profile = read_profile(write(unet=unet, levels=levels))
    defaults, sizes = profile.defaults, profile.sizes
    assert (defaults.width, defaults.height) == size
    assert sizes.tested == (size,)
    assert all(sizes.min <= side <= sizes.max for side in size)
    assert all(side % sizes.multiple_of == 0 for side in size)


def test_what_a_packshot_json_says_wins_and_the_model_says_the_rest(write):
    folder = write(scheduler="LCMScheduler", unet={"sample_size": 96})
    (folder / PROFILE).write_text(json.dumps({"defaults": {"steps": 6, "width": 512}}))
    profile = read_profile(folder)
    assert drawn(profile.defaults) == ("lcm", 6, 1.0)
    assert (profile.defaults.width, profile.defaults.height) == (512, 768)
    assert profile.sizes.max == 1024
    (folder / PROFILE).write_text(json.dumps({"sizes": {"max": 896}}))
    sizes = read_profile(folder).sizes
    assert (sizes.min, sizes.max, sizes.multiple_of) == (256, 896, 8)


@pytest.mark.parametrize(
    ("levels", "widths", "converted", "step"),
    [
        (4, [8] * 4, False, 8),
        (3, [8] * 4, False, 4),
        (4, [8] * 4, True, 64),
        (4, [8] * 3, True, 32),
    ],
)
def test_sizes_are_multiples_of_what_the_graphs_take(write, levels, widths, converted, step):
    folder = write(unet={"sample_size": 64, "block_out_channels": widths}, levels=levels)
    if converted:
        (folder / "unet" / "openvino_model.xml").touch()
    assert read_profile(folder).sizes.multiple_of == step


@pytest.mark.parametrize("content", [[], {"defaults": []}, {"defaults": {"width": "wide"}}])
def test_a_damaged_packshot_json_is_named(write, content):
    folder = write()
    (folder / PROFILE).write_text(json.dumps(content))
    with pytest.raises(BundleError, match="is damaged"):
        read_profile(folder)


def test_files_that_are_missing_or_damaged_are_taken_for_stable_diffusions(tmp_path):
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text("[")
    assert drawn(source_defaults(tmp_path)) == ("dpmpp_2m", 20, 7.5)
    assert not is_few_step(tmp_path)


def test_another_scheduler_is_taken_where_the_own_one_does_not_work(write):
    folder = write(scheduler="DPMSolverMultistepScheduler", algorithm_type="invented")
    assert read_profile(folder).defaults.scheduler == "dpmpp_2m"
    with pytest.raises(BundleError, match="invented is not implemented"):
        # Its own class does not take it either, so that there is no pipeline of this model.
        read_working_profile(folder, {})
    folder = write(scheduler="EulerAncestralDiscreteScheduler", prediction_type="sample")
    assert read_working_profile(folder, {}).defaults.scheduler == "dpmpp_2m"


@pytest.mark.parametrize("by_whom", ["the caller", "packshot.json"])
def test_a_scheduler_that_somebody_named_is_not_exchanged(write, by_whom):
    folder = write(scheduler="DDIMScheduler", prediction_type="sample")
    given = {"scheduler": "pndm"}
    if by_whom == "packshot.json":
        (folder / PROFILE).write_text(json.dumps({"defaults": given}))
        given = {}
    with pytest.raises(BundleError, match=r"pndm.*prediction_type.*name another one"):
        read_working_profile(folder, given)


def test_what_whoever_builds_says_wins_over_all(write):
    folder = write(scheduler="EulerDiscreteScheduler", **TRAILING)
    (folder / PROFILE).write_text(json.dumps({"defaults": {"steps": 2}}))
    given = {"guidance_scale": 1.5, "scheduler": "lcm"}
    assert drawn(read_working_profile(folder, given).defaults) == ("lcm", 2, 1.5)
