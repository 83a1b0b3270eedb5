"""A diffusers folder as a single file in the layout of the original code (latent diffusion).

The names are those of CompVis' and Stability's modules; only what tiny models have is translated.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection

Tensors = dict[str, Tensor]

RESNET = (
    ("norm1", "in_layers.0"), ("conv1", "in_layers.2"), ("time_emb_proj", "emb_layers.1"),
    ("norm2", "out_layers.0"), ("conv2", "out_layers.3"), ("conv_shortcut", "skip_connection"),
)  # fmt: skip
OUTSIDE = (
    ("time_embedding.linear_1", "time_embed.0"), ("time_embedding.linear_2", "time_embed.2"),
    ("conv_in", "input_blocks.0.0"), ("conv_norm_out", "out.0"), ("conv_out", "out.2"),
    ("mid_block.resnets.0", "middle_block.0"), ("mid_block.attentions.0", "middle_block.1"),
    ("mid_block.resnets.1", "middle_block.2"),
    ("add_embedding.linear_1", "label_emb.0.0"), ("add_embedding.linear_2", "label_emb.0.2"),
)  # fmt: skip


def unet_tensors(unet: UNet2DConditionModel) -> Tensors:
    """Return a UNet's weights under their original names."""
    each = unet.config.layers_per_block + 1

    def place(name: str) -> str:
        if found := re.match(r"down_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.*)", name):
            block, kind, layer, rest = found.groups()
            number = 1 + int(block) * each + int(layer)
            return f"input_blocks.{number}.{int(kind == 'attentions')}.{rest}"
        if found := re.match(r"down_blocks\.(\d+)\.downsamplers\.0\.conv\.(.*)", name):
            return f"input_blocks.{(int(found[1]) + 1) * each}.0.op.{found[2]}"
        if found := re.match(r"up_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.*)", name):
            block, kind, layer, rest = found.groups()
            number = int(block) * each + int(layer)
            return f"output_blocks.{number}.{int(kind == 'attentions')}.{rest}"
        if found := re.match(r"up_blocks\.(\d+)\.upsamplers\.0\.(.*)", name):
            attends = "CrossAttn" in unet.config.up_block_types[int(found[1])]
            number = int(found[1]) * each + each - 1
            return f"output_blocks.{number}.{1 + attends}.{found[2]}"
        return _replaced(name, OUTSIDE)

    def translate(name: str) -> str:
        placed = place(name)
        return _replaced(placed, RESNET) if ".resnets." in name else placed

    return _under("model.diffusion_model.", unet.state_dict(), translate)


def vae_tensors(vae: AutoencoderKL, prefix: str = "first_stage_model.") -> Tensors:
    """Return an autoencoder's weights under their original names."""
    last = len(vae.config.block_out_channels) - 1

    def translate(name: str) -> str:
        name = re.sub(r"up_blocks\.(\d+)", lambda found: f"up.{last - int(found[1])}", name)
        name = name.replace("down_blocks.", "down.").replace("samplers.0.", "sample.")
        name = re.sub(r"mid_block\.resnets\.(\d+)", lambda f: f"mid.block_{int(f[1]) + 1}", name)
        name = name.replace(".resnets.", ".block.").replace("conv_shortcut", "nin_shortcut")
        name = name.replace("conv_norm_out", "norm_out")
        if "mid_block.attentions.0" in name:
            name = name.replace("mid_block.attentions.0", "mid.attn_1")
            inner = (("group_norm", "norm"), ("to_out.0", "proj_out"), ("to_", ""))
            name = _replaced(name, inner)
        return name

    tensors = _under(prefix, vae.state_dict(), translate)
    return {
        name: value[..., None, None] if value.ndim == 2 else value  # attention was a convolution
        for name, value in tensors.items()
    }


def clip_tensors(encoder: CLIPTextModel, prefix: str = "cond_stage_model.") -> Tensors:
    """Return CLIP's weights as Stable Diffusion 1.x has them, and XL under another prefix."""
    prefix += "transformer.text_model."
    return _under(prefix, encoder.state_dict(), lambda name: name.removeprefix("text_model."))


def open_clip_tensors(
    encoder: CLIPTextModel | CLIPTextModelWithProjection,
    prefix: str = "cond_stage_model.",
    *,
    left_out: int = 1,
) -> Tensors:
    """Return OpenCLIP's weights; Stable Diffusion 2.x's files have a last layer that is unused.

    Args:
        encoder: The text encoder.
        prefix: How its tensors' names begin.
        left_out: Layers that files have beside the encoder's own.
    """
    own = {name.removeprefix("text_model."): one for name, one in encoder.state_dict().items()}
    width, count = encoder.config.hidden_size, encoder.config.num_hidden_layers
    projection = own.get("text_projection.weight")
    found = {
        "positional_embedding": own["embeddings.position_embedding.weight"],
        "token_embedding.weight": own["embeddings.token_embedding.weight"],
        "ln_final.weight": own["final_layer_norm.weight"],
        "ln_final.bias": own["final_layer_norm.bias"],
        "text_projection": torch.randn(width, width) if projection is None else projection.T,
    }
    for layer in range(count + left_out):
        theirs = f"encoder.layers.{min(layer, count - 1)}."
        ours = f"transformer.resblocks.{layer}."
        for kind in ("weight", "bias"):
            joined = [own[f"{theirs}self_attn.{one}_proj.{kind}"] for one in "qkv"]
            found[f"{ours}attn.in_proj_{kind}"] = torch.cat(joined)
            for old, new in (("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"),
                             ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"),
                             ("self_attn.out_proj", "attn.out_proj")):  # fmt: skip
                found[f"{ours}{new}.{kind}"] = own[f"{theirs}{old}.{kind}"]
    return {f"{prefix}model.{name}": value for name, value in found.items()}


def single_file_tensors(source: Path) -> Tensors:
    """Return all weights of a diffusers folder under their original names."""
    return {
        **unet_tensors(UNet2DConditionModel.from_pretrained(source / "unet")),
        **vae_tensors(AutoencoderKL.from_pretrained(source / "vae")),
        **_text_tensors(source),
    }


def _text_tensors(source: Path) -> Tensors:
    encoder = CLIPTextModel.from_pretrained(source / "text_encoder")
    if (source / "text_encoder_2").is_dir():
        second = CLIPTextModelWithProjection.from_pretrained(source / "text_encoder_2")
        return clip_tensors(encoder, "conditioner.embedders.0.") | open_clip_tensors(
            second, "conditioner.embedders.1.", left_out=0
        )
    is_open = encoder.config.hidden_act == "gelu"
    return open_clip_tensors(encoder) if is_open else clip_tensors(encoder)


def save_single_file(tensors: Mapping[str, Tensor], file: Path) -> Path:
    """Write tensors, each with memory of its own."""
    save_file({name: value.clone().contiguous() for name, value in tensors.items()}, file)
    return file


def _under(prefix: str, tensors: Mapping[str, Tensor], translate: Callable[[str], str]) -> Tensors:
    return {prefix + translate(name): value for name, value in tensors.items()}


def _replaced(name: str, pairs: Iterable[tuple[str, str]]) -> str:
    for theirs, ours in pairs:
        name = re.sub(rf"(?<![a-z_]){re.escape(theirs)}", ours, name)
    return name
