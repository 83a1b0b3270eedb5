import gc
import json
import warnings

import numpy as np
import openvino as ov
import pytest
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from tokenizers import Tokenizer
from transformers import CLIPTextConfig, CLIPTextModel

from bundles.manifest import load_manifest
from bundles.source import PROFILE
from bundles.starter.assemble import STARTER
from bundles.starter.diffusion import build_scheduler
from bundles.starter.tokenizer import VOCABULARY, build_tokenizer, save_tokenizer
from core.errors import BundleError

with warnings.catch_warnings():
    # Invalid escape sequences in optimum, seen by whoever compiles it first.
    warnings.simplefilter("ignore", DeprecationWarning)
    from bundles.export import build

# optimum leaves its temporary folders to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The smallest model with the starter's parts; random weights."""
    torch.manual_seed(0)
    tokenizer = build_tokenizer()
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(8,) * 4,
            norm_num_groups=4,
            mid_block_add_attention=False,
        ),
        text_encoder=CLIPTextModel(
            CLIPTextConfig(
                vocab_size=VOCABULARY,
                hidden_size=16,
                intermediate_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                eos_token_id=VOCABULARY - 1,
            )
        ),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(
            sample_size=8,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            block_out_channels=(8, 8),
            attention_head_dim=2,
            layers_per_block=1,
            norm_num_groups=4,
            cross_attention_dim=16,
        ),
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    folder = tmp_path_factory.mktemp("source") / "tiny"
    pipeline.save_pretrained(folder)
    save_tokenizer(tokenizer, folder / "tokenizer")
    (folder / PROFILE).write_text(STARTER.model_dump_json())
    return folder


@pytest.fixture(scope="module")
def bundle(source, tmp_path_factory):
    target = tmp_path_factory.mktemp("bundles") / "tiny"
    build(source, target, name="tiny")
    return target


def test_the_manifest_describes_the_model(bundle):
    manifest = load_manifest(bundle)
    assert manifest.name == "tiny"
    assert manifest.source == "tiny"
    assert manifest.prediction_type == "v_prediction"
    assert manifest.defaults == STARTER.defaults
    assert (manifest.latent_channels, manifest.vae_scale_factor, manifest.max_tokens) == (4, 8, 77)


def test_nothing_is_left_beside_the_bundle(bundle):
    assert [path.name for path in bundle.parent.iterdir()] == ["tiny"]


def test_the_tokenizer_reads_without_transformers(bundle):
    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer" / "tokenizer.json"))
    assert tokenizer.encode("a red mug").ids == build_tokenizer()("a red mug").input_ids


def test_the_scheduler_s_configuration_comes_along(bundle):
    config = json.loads((bundle / "scheduler" / "scheduler_config.json").read_text())
    assert config["prediction_type"] == "v_prediction"


def test_weights_are_halves(bundle):
    model = ov.Core().read_model(bundle / "unet" / "openvino_model.xml")
    constants = [node for node in model.get_ops() if node.get_type_name() == "Constant"]
    large = [node for node in constants if np.prod(node.get_output_shape(0)) > 64]
    assert {str(node.get_element_type()) for node in large} == {"<Type: 'float16'>"}


def test_each_row_has_its_own_timestep_and_size(bundle):
    unet = ov.Core().compile_model(bundle / "unet" / "openvino_model.xml", "CPU")
    rng = np.random.default_rng(0)

    def predict(rows, timesteps):
        return unet(
            {
                "sample": samples[rows],
                "timestep": np.array(timesteps),
                "encoder_hidden_states": states[rows],
            }
        )[0]

    states = rng.standard_normal((2, 77, 16), dtype=np.float32)
    for side in (8, 16):
        samples = rng.standard_normal((2, 4, side, side), dtype=np.float32)
        together = predict([0, 1], [10, 900])
        assert np.allclose(together[0], predict([0], [10])[0], atol=1e-2)
        assert np.allclose(together[1], predict([1], [900])[0], atol=1e-2)
        assert not np.allclose(together[1], predict([1], [10])[0], atol=1e-2)


def test_a_failed_build_leaves_the_old_bundle_and_no_litter(source, bundle, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "model_index.json").write_text((source / "model_index.json").read_text())
    before = load_manifest(bundle)
    with pytest.raises(BundleError, match="complete Stable Diffusion model"):
        build(broken, bundle)
    gc.collect()
    assert load_manifest(bundle) == before
    assert [path.name for path in bundle.parent.iterdir()] == ["tiny"]


def test_an_existing_bundle_can_be_protected(source, bundle):
    with pytest.raises(BundleError, match="exists"):
        build(source, bundle, replace=False)


def test_the_same_source_gives_the_same_revision_and_may_replace(source, bundle):
    before = load_manifest(bundle)
    assert build(source, bundle, name="tiny") == before
    assert [path.name for path in bundle.parent.iterdir()] == ["tiny"]
