"""How a bundle's model reads requests, from the files of the bundle.

The API reads them too, so nothing here imports a model library.
"""

import json
import re
from pathlib import Path
from typing import Any

from bundles.records import INDEX, text_encoders, tokenizer_of
from core.domain.image_spec import ModelInput
from core.domain.texts import SPECIAL_TOKENS
from core.errors import BundleError

_LETTERS = re.compile(r"[\w\s<=>]")
"""What folding may change: letters, white space, and marks that an accent can join."""


def read_model_input(bundle: Path) -> ModelInput:
    """Read what a bundle's model sees of a request.

    Args:
        bundle: Its folder; what it lacks is taken as Stable Diffusion has it.

    Raises:
        BundleError: A file cannot be read.
    """
    unet = _read(bundle / "unet" / "config.json")
    encoders = text_encoders(_read(bundle / INDEX))
    tokenizers = [_read(bundle / tokenizer_of(one) / "tokenizer.json") for one in encoders]
    added = [
        str(one.get("content")) for tokens in tokenizers for one in tokens.get("added_tokens", ())
    ]
    return ModelInput(
        taught=tuple(filter(_is_taught, dict.fromkeys(added))),
        embeds_guidance=unet.get("time_cond_proj_dim") is not None,
        encodes_pictures=(bundle / "vae_encoder").is_dir() or not (bundle / "vae_decoder").is_dir(),
    )


def require_inpainting(bundle: Path, *, name: str, latent_channels: int) -> None:
    """Refuse a bundle whose UNet sees no mask, where it shall draw masked rows of another model.

    Args:
        bundle: Its folder.
        name: The model's.
        latent_channels: What its manifest says.

    Raises:
        BundleError: It sees none, or a file cannot be read.
    """
    if _read(bundle / "unet" / "config.json").get("in_channels", 0) > latent_channels:
        return
    raise BundleError(
        f"PACKSHOT_INPAINTING_MODELS names {name!r}, but the bundle at {bundle} is made of a model "
        "that sees no mask: name one that was built of an inpainting model, whose UNet takes "
        "9 channels, or leave the setting empty."
    )


def _is_taught(token: str) -> bool:
    """Check whether a tokenizer has more than CLIP's tokens; some pad with a punctuation mark."""
    return token not in SPECIAL_TOKENS and _LETTERS.search(token) is not None


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BundleError(
            f"{path} cannot be read ({error}). "
            "Build the bundle again: `packshot model build SOURCE`."
        ) from error
    return content
