"""Trains the starter model: `python -m starter.training.train --out DIR --stage all`.

Every stage keeps a checkpoint in DIR and goes on from it with `--resume`. About 100 minutes on
two cores make the committed weights.
"""

import argparse
import logging
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import AutoencoderKL

from modelkit.training.course import LOG_FORMAT
from starter.data.attributes import ATTRIBUTES, Product, split_products
from starter.data.captions import caption, corpus
from starter.data.dataset import draw_pictures
from starter.scenes.assemble import assemble
from starter.scenes.diffusion import build_unet, restore_unet
from starter.scenes.pictures import Pictures, every_nth, to_pixels
from starter.scenes.team import run_team
from starter.scenes.text_encoder import train_text_encoder
from starter.tokenizer import build_tokenizer
from starter.training.autoencoder import (
    LATENT_CHANNELS,
    encode,
    reconstruct,
    reconstruction_psnr,
    train_autoencoder,
)
from starter.training.classifier import train_classifier
from starter.training.decoder import restore_decoder, train_decoder
from starter.training.diffusion import train_unet
from starter.training.profile import STARTER

logger = logging.getLogger(__name__)

MINUTES = {
    "vae": 16.0,
    "text": 1.5,
    "unet": 48.0,
    "decoder": 14.0,
    "classifier": 3.0,
    "assemble": 0.0,
}
"""The stages in their order, and how long each trains unless told otherwise."""

EACH = 6
"""Pictures drawn of each product in training."""


class Trainer:
    """Runs stages; each reads what the earlier ones left in the folder."""

    def __init__(self, folder: Path, *, minutes: float | None, resume: bool) -> None:
        self.folder = folder
        self.minutes = minutes
        self.resume = resume
        self.trained, self.held_out = split_products()

    def run(self, stage: str) -> None:
        """Run one stage, by its name in `MINUTES`."""
        minutes = MINUTES[stage] if self.minutes is None else self.minutes
        stages: dict[str, Callable[[float], None]] = {
            "vae": self.vae,
            "text": self.text,
            "unet": self.unet,
            "decoder": self.decoder,
            "classifier": self.classifier,
            "assemble": self.assemble,
        }
        stages[stage](minutes)

    def vae(self, minutes: float) -> None:
        """Train the way to latents and back; leaves vae/."""
        train_autoencoder(
            self._pictures(self.trained, EACH), self._checks(), self.folder,
            minutes=minutes, resume=self.resume,
        )  # fmt: skip

    def decoder(self, minutes: float) -> None:
        """Sharpen the decoder while the latents stay; rewrites vae/."""
        autoencoder = self._autoencoder()
        pictures = self._pictures(self.trained, 3)
        run_team(
            torch.get_num_threads(), self.folder,
            train_decoder, encode(autoencoder, pictures), pictures,
            self.folder, minutes, self.resume,
        )  # fmt: skip
        restore_decoder(autoencoder, self.folder / "decoder.pt")
        decibels = reconstruction_psnr(autoencoder, self._checks())
        logger.info("decoder done, held-out %.2f dB", decibels)
        autoencoder.save_pretrained(self.folder / "vae")

    def classifier(self, minutes: float) -> None:
        """Train the judge, half of it on reconstructions. Leaves classifier/."""
        pictures = self._pictures(self.trained, 3)
        some = every_nth(pictures, 3)
        restored = Pictures(
            pixels=to_pixels(reconstruct(self._autoencoder(), some)), products=some.products
        )
        train_classifier(
            [pictures, restored], self._checks(), self.folder,
            minutes=minutes, resume=self.resume,
        )  # fmt: skip

    def text(self, minutes: float) -> None:
        """Train the text encoder's head start; leaves text.pt."""
        train_text_encoder(
            self.trained, caption, ATTRIBUTES, build_tokenizer(corpus()), self.folder,
            minutes=minutes, resume=self.resume,
        )  # fmt: skip

    def unet(self, minutes: float) -> None:
        """Train the UNet; leaves unet.pt."""
        autoencoder = self._autoencoder()
        pictures = self._pictures(self.trained, 4)
        latents = encode(autoencoder, pictures) * autoencoder.config.scaling_factor
        run_team(
            torch.get_num_threads(), self.folder,
            train_unet, latents, pictures.products, self.folder, minutes, self.resume,
        )  # fmt: skip

    def assemble(self, _minutes: float) -> None:
        """Save a pipeline of the newest checkpoints, also while training; leaves weights/."""
        assemble(
            self.folder, self.folder / "weights", profile=STARTER,
            tokenizer=build_tokenizer(corpus()), judge="classifier",
            unet=restore_unet(
                self.folder / "unet.pt", build_unet(channels=LATENT_CHANNELS)
            ),
        )  # fmt: skip

    def _autoencoder(self) -> AutoencoderKL:
        return AutoencoderKL.from_pretrained(self.folder / "vae", use_safetensors=True).eval()

    def _pictures(self, products: list[Product], each: int) -> Pictures:
        return draw_pictures(products, each, seed=1)

    def _checks(self) -> Pictures:
        return draw_pictures(self.held_out, 1, seed=2)


def main() -> None:
    """Run the wanted stage, or all of them in order."""
    parser = argparse.ArgumentParser(prog="python -m starter.training.train", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and logs")
    parser.add_argument("--stage", choices=[*MINUTES, "all"], default="all")
    parser.add_argument("--minutes", type=float, help="training time of each stage that runs")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoints")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    torch.set_num_threads(options.threads)
    trainer = Trainer(options.out, minutes=options.minutes, resume=options.resume)
    for stage in MINUTES if options.stage == "all" else [options.stage]:
        trainer.run(stage)


if __name__ == "__main__":
    main()
