"""How well images fit their prompts, as a CLIP model sees it."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from safetensors import SafetensorError
from transformers import CLIPModel, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from core.errors import BundleError

WEIGHT = 2.5
"""Hessel et al.'s w, which stretches the cosines that occur to about [0, 1]."""

BATCH = 16


class ClipJudge:
    """A CLIP model that was loaded from a folder."""

    def __init__(self, folder: Path) -> None:
        """Load the model with its tokenizer and image preparation, in FP32.

        Args:
            folder: As transformers' `save_pretrained` writes it (openai/clip-vit-base-patch32,
                for instance), weights as safetensors.

        Raises:
            BundleError: There is no such model in the folder.
        """
        _check(folder)
        try:
            self._model, report = CLIPModel.from_pretrained(
                folder,
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
            )
            self._tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
            self._processor = CLIPImageProcessorPil.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise BundleError(
                f"{folder} holds no CLIP model that can be read ({error}): give a folder made by "
                "transformers' save_pretrained, with its tokenizer and preprocessor_config.json."
            ) from error
        if report["missing_keys"]:
            raise BundleError(
                f"{folder} lacks {len(report['missing_keys'])} of the model's weights: "
                "give the whole CLIP model."
            )
        self._model.eval()

    @torch.no_grad()
    def score(
        self, images: Sequence[npt.NDArray[np.uint8]], prompts: Sequence[str]
    ) -> npt.NDArray[np.float64]:
        """Return the CLIPScore of each image with its prompt, 0 to 2.5.

        Hessel et al. 2021, "CLIPScore: A Reference-free Evaluation Metric for Image Captioning",
        arXiv 2104.08718: 2.5 · max(cosine, 0). Their prefix "A photo depicts" is left out, as
        prompts are no sentences.

        Args:
            images: Each (height, width, 3), RGB.
            prompts: One per image; what exceeds the model's length is cut.
        """
        scores = [
            self._score(images[start : start + BATCH], prompts[start : start + BATCH])
            for start in range(0, len(images), BATCH)
        ]
        return np.concatenate(scores) if scores else np.zeros(0)

    def _score(
        self, images: Sequence[npt.NDArray[np.uint8]], prompts: Sequence[str]
    ) -> npt.NDArray[np.float64]:
        texts = self._tokenizer(list(prompts), padding=True, truncation=True, return_tensors="pt")
        pixels = self._processor([Image.fromarray(image) for image in images], return_tensors="pt")
        seen = self._model(**texts, pixel_values=pixels["pixel_values"])
        # Both embeddings come normalised.
        cosines = (seen.image_embeds * seen.text_embeds).sum(dim=-1)
        return (WEIGHT * cosines.clamp(min=0)).double().numpy()


def _check(folder: Path) -> None:
    try:
        kind = json.loads((folder / "config.json").read_bytes())["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(
            f"{folder} has no readable config.json of a CLIP model: give a folder that holds one, "
            "such as a copy of openai/clip-vit-base-patch32."
        ) from error
    if kind != "clip":
        raise BundleError(
            f"{folder} holds a model of the type {kind}: give one of the type clip, such as a "
            "copy of openai/clip-vit-base-patch32."
        )
    if not (folder / "model.safetensors").is_file():
        raise BundleError(
            f"{folder} has no model.safetensors: give a CLIP model with its weights in that form; "
            "pickled weights are not read."
        )
