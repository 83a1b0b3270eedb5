"""The models that training reads from a diffusers folder: safetensors only, in FP32."""

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextModel, CLIPTokenizer

from bundles.records import INDEX, read_json, text_encoders
from core.errors import BundleError
from modelkit.export.architecture import check_parts
from modelkit.export.configuration import read_unet
from modelkit.export.conversion import load_part
from modelkit.export.source import locate
from modelkit.progress import Progress


def locate_whole(source: Path | str, say: Progress) -> Path:
    """Find the local folder of a source, and see that it is a whole model of a known kind.

    A Hub id is downloaded, as `say` is told.

    Raises:
        BundleError: It is not; the sentence says what is missing.
    """
    folder = locate(source, say)
    if len(text_encoders(read_json(folder / INDEX))) > 1:
        raise BundleError(
            f"{folder.name} is a model of Stable Diffusion XL, which packshot does not train yet: "
            "train it elsewhere, and build a bundle of the result."
        )
    check_parts(folder)
    unet = read_unet(folder)
    if unet["in_channels"] != unet["out_channels"]:
        raise BundleError(
            f"{folder.name} is an inpainting model, which packshot does not train: train it "
            "elsewhere, and build a bundle of the result."
        )
    return folder


def load_unet(folder: Path) -> UNet2DConditionModel:
    """Load a folder's UNet, ready for inference.

    Raises:
        BundleError: It is missing or damaged, or guidance was distilled into it.
    """
    unet = load_part(UNet2DConditionModel, folder / "unet")
    if unet.config.time_cond_proj_dim is not None:
        raise BundleError(
            f"{folder / 'unet'} takes the guidance scale as an input: train the model "
            "that it was distilled from."
        )
    return unet


def load_scheduler(folder: Path) -> DDPMScheduler:
    """Load a folder's noise schedule, whatever sampler its configuration names.

    Raises:
        BundleError: It is missing or damaged, or predicts something that nobody knows.
    """
    path = folder / "scheduler" / "scheduler_config.json"
    scheduler = DDPMScheduler.from_config(read_json(path))
    if scheduler.config.prediction_type not in ("epsilon", "v_prediction", "sample"):
        raise BundleError(
            f"{path} has prediction_type {scheduler.config.prediction_type!r}: "
            "write epsilon, v_prediction or sample there, whichever the model was trained with."
        )
    return scheduler


@dataclass(frozen=True, kw_only=True, slots=True)
class TorchTextEncoder:
    """Turns texts into what a UNet listens to."""

    tokenizer: CLIPTokenizer
    model: CLIPTextModel

    @torch.no_grad()
    def encode(self, texts: list[str], rows: int = 32) -> torch.Tensor:
        """Return the last hidden states, (texts, tokens, width) float32 in main memory."""
        parts = []
        for start in range(0, len(texts), rows):
            ids = self.tokenizer(
                texts[start : start + rows],
                padding="max_length",
                truncation=True,
                max_length=self.tokenizer.model_max_length,
                return_tensors="pt",
            ).input_ids
            states = self.model(ids.to(self.model.device)).last_hidden_state
            parts.append(states.float().cpu())
        return torch.cat(parts)


def load_text_encoder(folder: Path) -> TorchTextEncoder:
    """Load a folder's tokenizer and text encoder, ready for inference.

    Raises:
        BundleError: One of them is missing or damaged.
    """
    model = load_part(CLIPTextModel, folder / "text_encoder")
    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
    except (OSError, ValueError, TypeError) as error:
        raise BundleError(
            f"{folder / 'tokenizer'} cannot be loaded ({error}): give a complete diffusers folder."
        ) from error
    return TorchTextEncoder(tokenizer=tokenizer, model=model)


def predict(
    unet: nn.Module, sample: torch.Tensor, timestep: torch.Tensor, states: torch.Tensor
) -> torch.Tensor:
    """Predict noise, velocity or latents, whatever a UNet was trained to.

    Args:
        unet: A `UNet2DConditionModel`, with quantisers in it or not.
        sample: Noisy latents, (rows, channels, height, width) float32.
        timestep: One for each row, (rows,) float32.
        states: Encoded prompts, (rows, tokens, width) float32.

    Returns:
        (rows, channels, height, width), float32 also where it was computed in less.
    """
    predicted: torch.Tensor = unet(sample, timestep, states, return_dict=False)[0]
    return predicted.float()
