"""Which file of weights is taken, and which are refused."""

import shutil

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.numpy import load_file, save_file

from core.errors import BundleError
from modelkit.export.conversion import load_part
from modelkit.export.weights import choose_weights, find_weights

FILE = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def vae(microscopic, tmp_path):
    return shutil.copytree(microscopic / "vae", tmp_path / "vae")


def test_parameters_are_counted(vae):
    tensors = load_file(vae / FILE)
    assert find_weights(vae).parameters == sum(one.size for one in tensors.values())


def test_the_full_copy_is_taken_before_the_half_one(vae):
    shutil.copyfile(vae / FILE, vae / "diffusion_pytorch_model.fp16.safetensors")
    assert [file.name for file in find_weights(vae).files] == [FILE]


def test_a_half_copy_alone_will_do(vae):
    halves = {name: value.astype(np.float16) for name, value in load_file(vae / FILE).items()}
    save_file(halves, vae / "diffusion_pytorch_model.fp16.safetensors")
    (vae / FILE).unlink()
    assert find_weights(vae).variant == "fp16"
    assert load_part(AutoencoderKL, vae).dtype == torch.float32


def test_several_files_are_one_copy():
    names = [f"model-0000{number}-of-00002.safetensors" for number in (2, 1)]
    assert choose_weights(names, where="unet") == (None, sorted(names))
    with pytest.raises(BundleError, match="1 of 2 files"):
        choose_weights(names[:1], where="unet")


@pytest.mark.parametrize(
    "pattern",
    ["model.fp16-0000{}-of-00002.safetensors", "model-0000{}-of-00002.fp16.safetensors"],
    ids=["as diffusers writes them", "as diffusers before 0.31 wrote them"],
)
def test_several_files_of_a_half_copy(pattern: str):
    names = [pattern.format(number) for number in (1, 2)]
    assert choose_weights([*names, "model.bin"], where="unet") == ("fp16", names)
    with pytest.raises(BundleError, match="1 of 2 files"):
        choose_weights(names[1:], where="unet")


def test_weights_without_the_average_come_last():
    full, plain = (
        "diffusion_pytorch_model.safetensors",
        "diffusion_pytorch_model.non_ema.safetensors",
    )
    halves = "diffusion_pytorch_model.fp16.safetensors"
    assert choose_weights([plain, halves, full], where="unet") == (None, [full])
    assert choose_weights([plain, halves], where="unet") == ("fp16", [halves])
    assert choose_weights([plain], where="unet") == ("non_ema", [plain])


def test_weights_without_the_average_alone_will_do(vae):
    (vae / FILE).rename(vae / "diffusion_pytorch_model.non_ema.safetensors")
    assert find_weights(vae).variant == "non_ema"
    assert load_part(AutoencoderKL, vae).dtype == torch.float32


@pytest.mark.parametrize("length", [0, 5, 100, 3000, -1])
def test_a_file_that_was_cut_off_is_named(vae, length):
    whole = (vae / FILE).read_bytes()
    (vae / FILE).write_bytes(whole[:length])
    with pytest.raises(BundleError, match=rf"{FILE} is damaged or cut off"):
        find_weights(vae)


def test_a_pointer_to_a_large_file_is_no_large_file(vae):
    (vae / FILE).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(BundleError, match="download or copy the model again"):
        find_weights(vae)


@pytest.mark.parametrize("name", ["diffusion_pytorch_model.bin", "model.ckpt", "weights.pt"])
def test_pickles_are_refused(vae, name):
    (vae / FILE).rename(vae / name)
    with pytest.raises(BundleError, match=rf"{name}, a pickle.*safetensors only"):
        find_weights(vae)


def test_a_pickle_beside_safetensors_is_ignored(vae):
    (vae / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x04.")
    assert [file.name for file in find_weights(vae).files] == [FILE]


def test_missing_tensors_are_not_made_up(vae):
    tensors = load_file(vae / FILE)
    tensors.pop("decoder.conv_in.weight")
    save_file(tensors, vae / FILE)
    with pytest.raises(BundleError, match=r"decoder\.conv_in\.weight"):
        load_part(AutoencoderKL, vae)
