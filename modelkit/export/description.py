"""What a new bundle's manifest says, from what its source says."""

from pathlib import Path
from typing import Any

from bundles.manifest import (
    BlockCache,
    DeepCache,
    Defaults,
    Manifest,
    Quantisation,
    Sizes,
    TokenMergingPlan,
)
from bundles.tokenizer import load_tokenizer
from core.errors import BundleError
from modelkit.export.configuration import Configuration
from modelkit.export.source import Profile, read_profile

Size = tuple[int, int]
"""Width and height, in pixels."""


def describe(
    folder: Path,
    *,
    source: str,
    name: str | None,
    revision: str,
    precision: str,
    size: Size | None,
    configuration: Configuration,
    profile: Profile | None = None,
    token_merging: TokenMergingPlan | None = None,
    quantisation: Quantisation | None = None,
    vae_quantisation: Quantisation | None = None,
    feature_caching: DeepCache | BlockCache | None = None,
) -> Manifest:
    """Describe a bundle made from `folder`, which was named as `source`."""
    profile = profile or read_profile(folder)
    return Manifest(
        name=name or profile.name or Path(source).name.lower(),
        revision=revision,
        # A folder's path says nothing on another machine, and may say too much.
        source=folder.name if Path(source).is_dir() else source,
        family=profile.name,
        precision=precision,
        token_merging=token_merging,
        quantisation=quantisation,
        vae_quantisation=vae_quantisation,
        feature_caching=feature_caching,
        licence=profile.licence or "unknown",
        defaults=resized(profile, size),
        sizes=profile.sizes,
        prompts=profile.prompts,
        streams=profile.streams,
        latent_channels=configuration.vae["latent_channels"],
        vae_scale_factor=scale_factor(configuration.vae),
        prediction_type=configuration.scheduler.get("prediction_type", "epsilon"),
        max_tokens=load_tokenizer(folder).model_max_length,
    )


def scale_factor(autoencoder: dict[str, Any]) -> int:
    """Give the pixels per latent, along each side."""
    return int(2 ** (len(autoencoder["block_out_channels"]) - 1))


def resized(known: Profile | Manifest, size: Size | None) -> Defaults:
    """Give the defaults of a model, with another size if one is given.

    Raises:
        BundleError: The model cannot do that size.
    """
    if size is None:
        return known.defaults
    for pixels, side in zip(size, ("width", "height"), strict=True):
        _check_side(pixels, side, known.sizes)
    return known.defaults.model_copy(update={"width": size[0], "height": size[1]})


def _check_side(pixels: int, side: str, sizes: Sizes) -> None:
    step = sizes.multiple_of
    smallest, largest = -(-sizes.min // step) * step, sizes.max // step * step
    if smallest <= pixels <= largest and pixels % step == 0:
        return
    nearest = min(max(round(pixels / step) * step, smallest), largest)
    raise BundleError(
        f"the model cannot do a {side} of {pixels} pixels: give a multiple of {step} from "
        f"{smallest} to {largest}, such as {nearest}"
    )
