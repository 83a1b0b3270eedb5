"""LoRAs: small changes of a model's layers, added to their weights before the build.

Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models", arXiv 2106.09685. Files of
diffusers (and PEFT) and of kohya's scripts are read; they name the same layers in other ways.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from core.errors import BundleError
from modelkit.export.additions import Lora
from modelkit.export.original_names import diffusers_name

UNET, TEXT, SECOND_TEXT = "unet", "text_encoder", "text_encoder_2"
"""The last one is Stable Diffusion XL's."""

_PREFIXES = (
    ("lora_unet_", UNET),
    ("unet_", UNET),
    ("lora_te2_", SECOND_TEXT),
    ("text_encoder_2_", SECOND_TEXT),
    ("lora_te1_", TEXT),
    ("lora_te_", TEXT),
    ("text_encoder_", TEXT),
)
"""How the names of a part's layers begin, every dot written as an underscore."""

_MATRICES = {
    "down": ("lora_down.weight", "lora_A.weight", "lora.down.weight",
             "lora_linear_layer.down.weight"),
    "up": ("lora_up.weight", "lora_B.weight", "lora.up.weight", "lora_linear_layer.up.weight"),
    "middle": ("lora_mid.weight",),
    "alpha": ("alpha",),
}  # fmt: skip
"""How the names of a layer's tensors end."""

_OLD = re.compile(r"(\.processor|\.self_attn)\.to_(\w+?)_lora\.(down|up)\.weight")
"""diffusers before 0.22 named the attention's processor, and a text encoder's layers alike."""

_METADATA = "lora_adapter_metadata"
"""Where diffusers writes PEFT's settings, a JSON object."""

_WIDTHS = {768: "Stable Diffusion 1.x", 1024: "Stable Diffusion 2.x", 2048: "Stable Diffusion XL"}
"""Families by the features of a text that their UNets read."""

_SHOWN = 3
"""Names in an error."""


@dataclass(kw_only=True, slots=True)
class _LayerChange:
    """What a LoRA does to one layer."""

    name: str
    """The layer's, as the file has it."""
    tensors: dict[str, Tensor] = field(default_factory=dict)
    """By `_MATRICES`' names."""

    def delta(self, alpha: float | None) -> Tensor:
        """Return what is added to the weights, in single precision.

        Args:
            alpha: Where the file's tensors name none: the settings'.
        """
        down, up = self.tensors["down"].float(), self.tensors["up"].float()
        rank = down.shape[0]
        said = self.tensors.get("alpha")
        scale = (float(said) if said is not None else alpha or rank) / rank
        if (middle := self.tensors.get("middle")) is not None:
            # A convolution in three, around one of few channels (LoCon).
            outer = up.flatten(1), down.flatten(1)
            return scale * torch.einsum("or,rskl,si->oikl", outer[0], middle.float(), outer[1])
        return scale * (up.flatten(1) @ down.flatten(1)).reshape(len(up), *down.shape[1:])


@torch.no_grad()
def fuse(parts: Mapping[str, nn.Module], lora: Lora) -> set[str]:
    """Add a LoRA to the weights of a model's UNet and text encoders; several ones sum up.

    Args:
        parts: These, by `UNET`, `TEXT` and, in Stable Diffusion XL, `SECOND_TEXT`.
        lora: The file and its weight.

    Returns:
        The parts that it changes.

    Raises:
        BundleError: It cannot be read, is of a kind that is not known, or was made for a model of
            another architecture.
    """
    changes, settings = _read(lora)
    layers = {name: _layers(part) for name, part in parts.items()}
    strangers = []
    for (part, key), change in changes.items():
        layer = _find(layers.get(part, {}), key, parts[UNET] if part == UNET else None)
        delta = change.delta(_alpha(settings, part, change.name))
        if layer is None or layer.weight.numel() != delta.numel():
            strangers.append(change.name)
        else:
            # A convolution of one pixel and a matrix are the same.
            layer.weight.add_(lora.weight * delta.reshape(layer.weight.shape))
    if strangers:
        raise BundleError(
            f"{lora.file} was made for {_family(changes)}: {len(strangers)} of its {len(changes)} "
            "layers are not in this model, or of other sizes, such as "
            f"{', '.join(sorted(strangers)[:_SHOWN])}. Give one that was made for this family."
        )
    return {part for part, _ in changes}


def _find(layers: Mapping[str, Any], key: str, unet: Any) -> Any:
    """Return a layer by its name in diffusers, or a UNet's in the original code; None: no such."""
    if key in layers or unet is None:
        return layers.get(key)
    return layers.get(diffusers_name(key, unet.config.layers_per_block) or "")


def _family(changes: Mapping[tuple[str, str], _LayerChange]) -> str:
    """Return what models a LoRA was made for, as far as its layers tell."""
    if any(part == SECOND_TEXT for part, _ in changes):
        return _WIDTHS[2048]
    widths = {
        change.tensors["down"].shape[1]
        for (part, key), change in changes.items()
        if part == UNET and key.endswith(("attn2_to_k", "attn2_to_v"))
    }
    known = [_WIDTHS[width] for width in widths if width in _WIDTHS]
    return known[0] if known else "a model of another architecture"


def _read(lora: Lora) -> tuple[dict[tuple[str, str], _LayerChange], Mapping[str, Any]]:
    """Read what a file changes, by part and layer, and PEFT's settings."""
    try:
        with safe_open(lora.file, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            settings = json.loads((file.metadata() or {}).get(_METADATA, "{}"))
    except (OSError, SafetensorError, ValueError) as error:
        raise BundleError(
            f"{lora.file} is damaged or cut off ({error}): download or copy it again."
        ) from error
    found: dict[tuple[str, str], _LayerChange] = {}
    unknown = []
    for name, tensor in tensors.items():
        place = _place(name)
        if place is None:
            unknown.append(name)
            continue
        part, layer, kind = place
        change = found.setdefault((part, _key(layer)), _LayerChange(name=layer))
        change.tensors[kind] = tensor
    unknown += [one.name for one in found.values() if not {"down", "up"} <= set(one.tensors)]
    if unknown or not found:
        shown = ", ".join(sorted(unknown)[:_SHOWN]) or "no tensors at all"
        raise BundleError(
            f"{lora.file} is no LoRA that packshot can add ({shown}): give one of pairs of "
            "matrices, lora_down and lora_up or lora_A and lora_B, for layers of UNet and text "
            "encoder."
        )
    return found, settings


def _place(name: str) -> tuple[str, str, str] | None:
    """Return the part, the layer and the kind of a tensor; None for what is not known."""
    name = _OLD.sub(lambda one: f"{_of_old(one[1], one[2])}.lora.{one[3]}.weight", name)
    for kind, ends in _MATRICES.items():
        for end in ends:
            if name.endswith(f".{end}"):
                layer = name.removesuffix(f".{end}")
                for prefix, part in _PREFIXES:
                    if layer.replace(".", "_").startswith(prefix):
                        return part, layer[len(prefix) :], kind
    return None


def _of_old(block: str, layer: str) -> str:
    """Return what a layer is called by now: a UNet's, or a text encoder's."""
    if block == ".self_attn":
        return f"{block}.{layer}_proj"
    return ".to_out.0" if layer == "out" else f".to_{layer}"


def _key(layer: str) -> str:
    """Return a layer's name as every kind of file can write it."""
    return layer.replace(".", "_").removeprefix("text_model_")


def _layers(part: nn.Module) -> dict[str, Any]:
    """Return a part's layers with weights, by key."""
    kinds = (nn.Linear, nn.Conv2d)
    return {_key(name): one for name, one in part.named_modules() if isinstance(one, kinds)}


def _alpha(settings: Mapping[str, Any], part: str, layer: str) -> float | None:
    """Return what PEFT's settings say of a layer, of which the tensors say nothing."""
    pattern: Mapping[str, float] = settings.get(f"{part}.alpha_pattern") or {}
    for name, alpha in pattern.items():
        if _key(layer).endswith(_key(name)):
            return alpha
    return settings.get(f"{part}.lora_alpha")
