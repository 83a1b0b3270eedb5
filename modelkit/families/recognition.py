"""Which family a single file belongs to, by the names and shapes of its tensors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import BundleError

Shapes = Mapping[str, tuple[int, ...]]
"""Of a file's tensors, by name."""

FAMILIES = Path(__file__).parent

UNET, VAE = "model.diffusion_model.", "first_stage_model."
SUPPORTED = "give a Stable Diffusion 1.x, 2.x or XL model, or one built like these"
PLAYGROUND = "edm_mean"
"""What no other file has: the mean of its latents."""

FIRST_LAYER = f"{UNET}input_blocks.0.0.weight"
"""Its second dimension is the UNet's channels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """Models of one architecture."""

    name: str
    folder: Path
    """Its configuration, in diffusers' layout without weights and without a vocabulary."""
    texts: tuple[str, ...]
    """How the names of each text encoder's tensors begin."""
    pads: tuple[str, ...]
    """What each of their tokenizers fills texts up with."""
    latents: Mapping[str, int] = field(default_factory=dict)
    """Where it has models of both predictions: their latents, along each side."""


STABLE_DIFFUSION_1 = Family(
    name="Stable Diffusion 1.x",
    folder=FAMILIES / "stable-diffusion-1",
    texts=("cond_stage_model.transformer.text_model.",),
    pads=("<|endoftext|>",),
)
STABLE_DIFFUSION_2 = Family(
    name="Stable Diffusion 2.x",
    folder=FAMILIES / "stable-diffusion-2",
    texts=("cond_stage_model.model.",),
    pads=("!",),
    latents={"epsilon": 64, "v_prediction": 96},
)
STABLE_DIFFUSION_XL = Family(
    name="Stable Diffusion XL",
    folder=FAMILIES / "stable-diffusion-xl",
    texts=("conditioner.embedders.0.transformer.text_model.", "conditioner.embedders.1.model."),
    pads=("<|endoftext|>", "!"),
)
KNOWN_FAMILIES = (STABLE_DIFFUSION_1, STABLE_DIFFUSION_2, STABLE_DIFFUSION_XL)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Stranger:
    """A kind of file that is no model of a family above."""

    name: str
    holds: Callable[[Shapes], bool]
    way_out: str = SUPPORTED


def _some(*parts: str) -> Callable[[Shapes], bool]:
    return lambda shapes: any(part in name for name in shapes for part in parts)


def _channels(count: int) -> Callable[[Shapes], bool]:
    return lambda shapes: shapes.get(FIRST_LAYER, (0, 0))[1] == count


_MODEL_FIRST = "give the model as the source"

STRANGERS = (
    _Stranger(
        name="a LoRA",
        holds=_some("lora_unet_", "lora_te", ".lora_down.", ".lora_A.", ".lora.down.", "lora_up"),
        way_out=f"{_MODEL_FIRST}, and this file with --lora",
    ),
    _Stranger(name="Stable Diffusion 3", holds=_some("joint_blocks.")),
    _Stranger(name="Flux", holds=_some("double_blocks.")),
    _Stranger(
        name="the refiner of Stable Diffusion XL, which draws nothing by itself",
        holds=_some("conditioner.embedders.0.model."),
        way_out="give the base model, whose images packshot does not refine",
    ),
    _Stranger(name="a ControlNet", holds=_some("control_model.", "controlnet_cond_embedding.")),
    _Stranger(
        name="an InstructPix2Pix model, which changes images by instructions",
        holds=_channels(8),
        way_out="give an inpainting model, whose edits name what is drawn under a mask",
    ),
    _Stranger(name="an upscaling model", holds=_channels(7)),
    _Stranger(name="a model with depth", holds=_channels(5)),
    _Stranger(
        name="a part of a model in diffusers' layout",
        holds=_some("down_blocks.0.", "text_model.encoder.layers.0."),
        way_out="give the folder that holds model_index.json and all parts",
    ),
    _Stranger(
        name="a textual inversion",
        holds=lambda shapes: "emb_params" in shapes or (len(shapes) == 1 and _is_narrow(shapes)),
        way_out=f"{_MODEL_FIRST}, and this file with --embedding",
    ),
    _Stranger(
        name="an autoencoder",
        holds=lambda shapes: (
            not _has(shapes, UNET)
            and any(name.removeprefix(VAE).startswith("decoder.") for name in shapes)
        ),
        way_out=f"{_MODEL_FIRST}, and this file with --vae",
    ),
)


def recognise(shapes: Shapes, file: Path) -> Family:
    """Return the family of a model in its original layout.

    Args:
        shapes: Of the file's tensors.
        file: What to call it in an error.

    Raises:
        BundleError: It is a model of another family, no model, or not whole; with what to do.
    """
    if PLAYGROUND in shapes:
        raise BundleError(
            f"{file} is Playground v2.5, whose autoencoder centres its latents; packshot does not: "
            f"{SUPPORTED}."
        )
    if family := next((one for one in KNOWN_FAMILIES if _is_whole(shapes, one)), None):
        return family
    for one in STRANGERS:
        if one.holds(shapes):
            raise BundleError(f"{file} is {one.name}: {one.way_out}.")
    if FIRST_LAYER in shapes:
        raise BundleError(
            f"{file} has a UNet, but no text encoder ({_encoders()}): give a file with all parts, "
            "or a folder in diffusers' layout."
        )
    raise BundleError(
        f"{file} is of a family that packshot does not know: it looked for a UNet "
        f"({FIRST_LAYER}) and a text encoder ({_encoders()}), the names of Stable Diffusion 1.x, "
        "2.x and XL in their original layout. Give one of these, or a folder in diffusers' layout."
    )


def _is_whole(shapes: Shapes, family: Family) -> bool:
    # Latents, or these with a mask and what is kept of a picture: others take other things.
    takes = _channels(4)(shapes) or _channels(9)(shapes)
    return takes and all(_has(shapes, text) for text in family.texts)


def _has(shapes: Shapes, prefix: str) -> bool:
    return any(name.startswith(prefix) for name in shapes)


def _is_narrow(shapes: Shapes) -> bool:
    """Check for a few vectors, under a name that is no layer's."""
    ((name, shape),) = shapes.items()
    return len(shape) <= 2 and not name.endswith((".weight", ".bias"))


def _encoders() -> str:
    return " or ".join(" with ".join(f"{text}…" for text in one.texts) for one in KNOWN_FAMILIES)
