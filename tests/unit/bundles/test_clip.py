import json
import shutil

import numpy as np
import pytest
import torch
from transformers import CLIPConfig, CLIPModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from core.errors import BundleError
from modelkit.evaluation.clip import ClipJudge
from starter import SOURCE
from starter.scenes.captions import corpus
from starter.tokenizer import VOCABULARY, build_tokenizer, save_tokenizer

SIDE = 32
PROMPTS = ["a red mug", "a blue lamp on a wooden table"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The smallest CLIP: random weights, the starter's tokenizer."""
    torch.manual_seed(1)
    tower = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    config = CLIPConfig(
        text_config={
            **tower,
            "vocab_size": VOCABULARY,
            "bos_token_id": VOCABULARY - 2,
            "eos_token_id": VOCABULARY - 1,
        },
        vision_config={**tower, "image_size": SIDE, "patch_size": 8},
        projection_dim=8,
    )
    folder = tmp_path_factory.mktemp("clip")
    CLIPModel(config).save_pretrained(folder)
    CLIPImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    ).save_pretrained(folder)
    save_tokenizer(build_tokenizer(corpus()), folder)
    return folder


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (48, 48, 3), np.uint8) // part for part in (1, 3)]


def test_the_score_is_two_and_a_half_times_the_cosine(folder, images):
    model = CLIPModel.from_pretrained(folder)
    processor = CLIPImageProcessorPil.from_pretrained(folder)
    tokens = build_tokenizer(corpus())(PROMPTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        seen = model.get_image_features(**processor(images, return_tensors="pt")).pooler_output
        read = model.get_text_features(**tokens).pooler_output
    cosines = torch.nn.functional.cosine_similarity(seen, read).numpy()
    wanted = 2.5 * np.maximum(cosines, 0)
    assert np.allclose(ClipJudge(folder).score(images, PROMPTS), wanted, atol=1e-5)
    assert wanted.max() > 0, wanted


def test_an_image_scores_the_same_beside_any_others(folder, images):
    judge = ClipJudge(folder)
    together = judge.score(images * 10, PROMPTS * 10)
    assert together.shape == (20,)
    alone = judge.score(images[:1], PROMPTS[:1])
    assert together[18] == pytest.approx(alone[0], abs=1e-5)


def test_another_kind_of_model_is_refused():
    with pytest.raises(BundleError, match="of the type clip_text_model: give one of the type clip"):
        ClipJudge(SOURCE / "text_encoder")


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(BundleError, match="has no readable config"):
        ClipJudge(tmp_path)


def test_pickled_weights_are_not_read(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "clip")
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(BundleError, match="pickled weights are not read"):
        ClipJudge(copy)


def test_damaged_weights_are_named(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "clip")
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(BundleError, match="no CLIP model that can be read"):
        ClipJudge(copy)


def test_a_model_without_all_its_weights_is_refused(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "clip")
    config = json.loads((copy / "config.json").read_text())
    config["text_config"]["num_hidden_layers"] = 2
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(BundleError, match="lacks 16 of the model's weights"):
        ClipJudge(copy)
