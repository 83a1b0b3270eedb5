"""What an image takes of a worker's memory beside its model, by its size.

Resident memory grows with the latents of a call, and OpenVINO keeps it for the next one. The
figures are the least that random models of real layouts took for each latent and channel of their
first level (docs/decisions/0081): who has less has certainly too little.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bundles.manifest import Manifest
from bundles.records import read_json
from core.errors import BundleError

UNET_BYTES = 256
"""Of a UNet row in FP32: BK-SDM's; Stable Diffusion 1.5's takes 400."""

DECODER_BYTES = 2300
"""Of an image that is decoded in FP32."""

TINY_DECODER_BYTES = 860
"""The same of a tiny autoencoder, whose levels have as many channels each."""


@dataclass(frozen=True, kw_only=True)
class RowMemory:
    """Bytes that images of one bundle take, at least."""

    unet: int
    """For a latent of a UNet row."""
    decoder: int
    """For a latent of an image that is decoded."""
    scale: int
    """Pixels for one latent, along each side."""

    @classmethod
    def read(cls, bundle: Path, manifest: Manifest, *, precision: str) -> Self | None:
        """Read what a bundle's images take; None: its files do not say so.

        Args:
            bundle: Its folder.
            manifest: Its manifest.
            precision: What it is computed in, as OpenVINO calls it.
        """
        try:
            unet = read_json(bundle / "unet" / "config.json")
            vae = read_json(bundle / "vae_decoder" / "config.json")
            tiny = "decoder_block_out_channels" in vae
            per_channel = TINY_DECODER_BYTES if tiny else DECODER_BYTES
            sizes = UNET_BYTES * _first_level(unet), per_channel * _first_level(vae)
        except (BundleError, KeyError, IndexError, TypeError, ValueError):
            return None
        # Nobody measured INT8 and merged tokens: they take less, and hardly less than half.
        halves = [precision != "f32", bool(manifest.token_merging) or manifest.precision == "int8"]
        return cls(
            unet=sizes[0] >> sum(halves),
            decoder=sizes[1] >> (halves[0] + bool(manifest.vae_quantisation)),
            scale=manifest.vae_scale_factor,
        )

    def of_unet(self, width: int, height: int, *, rows: int) -> int:
        """Return the bytes of a UNet call of some rows of an image size in pixels."""
        return self.unet * rows * (width // self.scale) * (height // self.scale)

    def of_decoder(self, width: int, height: int, *, tile: int) -> int:
        """Return the bytes of decoding an image of a size in pixels.

        Args:
            width: The image's.
            height: The image's.
            tile: Side in pixels of what is decoded at once; 0: all of it.
        """
        sides = (min(side, tile or side) // self.scale for side in (width, height))
        return self.decoder * next(sides) * next(sides)

    def most_pixels(self, room: int) -> int:
        """Return the pixels of an image of which one UNet row fits into so many bytes."""
        return max(0, room) // self.unet * self.scale**2


def weights_bytes(bundle: Path) -> int:
    """Return the bytes of a bundle's weights; 0 while it is being replaced."""
    try:
        return sum(path.stat().st_size for path in bundle.glob("*/*.bin"))
    except OSError:
        return 0


def _first_level(config: Mapping[str, Any]) -> int:
    return int(config["block_out_channels"][0])
