"""Trains a model on scenes: `python -m starter.scenes.train --out DIR [--device auto]`.

Every stage keeps a checkpoint in DIR and goes on from it with `--resume`. The same script runs on
CPUs, where it takes hours, and on an accelerator.
"""

import argparse
import logging
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch.nn import functional

from bundles.manifest import JUDGE
from modelkit.training.course import LOG_FORMAT, Course
from modelkit.training.device import Device, choose_device
from starter.scenes.assemble import assemble
from starter.scenes.autoencoder import (
    build_vae,
    decoder_psnr,
    encode,
    fit_code,
    restoration_loss,
)
from starter.scenes.captions import caption, corpus
from starter.scenes.classifier import SceneClassifier, accuracy, augment, save_classifier
from starter.scenes.diffusion import restore_unet
from starter.scenes.pictures import Pictures, draw_scenes, every_nth
from starter.scenes.profile import scenes_profile
from starter.scenes.subjects import ATTRIBUTES, split_subjects, with_empty_scenes
from starter.scenes.team import ALONE, run_team
from starter.scenes.text_encoder import train_text_encoder
from starter.scenes.trained import Trained
from starter.scenes.unet import LATENTS, scenes_unet, train_unet
from starter.tokenizer import build_tokenizer

logger = logging.getLogger(__name__)

MINUTES = {"vae": 30.0, "text": 2.0, "unet": 150.0, "classifier": 40.0, "assemble": 0.0}
"""The stages in their order, and how long each trains unless told otherwise."""

VAE_PICTURES, UNET_PICTURES, CLASSIFIER_PICTURES, CHECKS = 8_000, 15_000, 20_000, 240
CLASSIFIER_CHECKS = 600
VAE_BATCH, CLASSIFIER_BATCH = 8, 64
VAE_RATE, CLASSIFIER_RATE = 2e-3, 3e-3
LATENT_NOISE = 0.02
"""Standard deviation of what the decoder's codes are off by, as a UNet's are."""
CHECKPOINT_STEPS = 100
VAE = "vae"


class Trainer:
    """Runs stages; each reads what the earlier ones left in the folder."""

    def __init__(
        self,
        folder: Path,
        device: Device,
        *,
        minutes: float | None,
        resume: bool,
        pictures: int | None = None,
    ) -> None:
        """Prepare the stages.

        Args:
            folder: For checkpoints.
            device: Where to compute.
            minutes: Of each stage; None: as `MINUTES` says.
            resume: Whether to go on from the checkpoints.
            pictures: To draw for a stage; None: `VAE_PICTURES` and the like.
        """
        self.folder = folder
        self.pictures = pictures
        self.device = device
        self.minutes = minutes
        self.resume = resume
        self.subjects, self.held_out = split_subjects()
        self.shown = with_empty_scenes(self.subjects)

    def run(self, stage: str) -> None:
        """Run one stage, by its name in `MINUTES`."""
        stages: dict[str, Callable[[float], None]] = {
            "vae": self.vae, "text": self.text, "unet": self.unet,
            "classifier": self.classifier, "assemble": self.assemble,
        }  # fmt: skip
        stages[stage](MINUTES[stage] if self.minutes is None else self.minutes)

    def vae(self, minutes: float) -> None:
        """Compute the encoder and train the decoder; leaves vae/."""
        torch.manual_seed(1)
        pictures = draw_scenes(self.shown, self.pictures or VAE_PICTURES, 1)
        checks = draw_scenes(self.held_out, CHECKS, 2)
        course = self._course("vae", minutes)
        vae = self._begun_vae(pictures)
        codes, check_codes = encode(vae, pictures), encode(vae, checks)
        trained = Trained(vae.decoder, course, self.device, rate=VAE_RATE, average=0.995)
        for fraction in course:
            rows = np.random.default_rng(course.step).integers(len(codes), size=VAE_BATCH)
            noisy = codes[rows] + LATENT_NOISE * torch.randn_like(codes[rows])
            noisy = noisy.to(self.device.name, memory_format=torch.channels_last)
            with self.device.autocast():
                restored = vae.decoder(noisy)
            images = pictures.batch(rows).to(self.device.name)
            trained.learn(restoration_loss(restored.float(), images), fraction)
            if course.step % (5 * CHECKPOINT_STEPS) == 0:
                trained.save()
                averaged = trained.averaged()
                logger.info("vae held-out %.2f dB", decoder_psnr(averaged, check_codes, checks))
        trained.save()
        vae.decoder = trained.averaged()
        logger.info("vae done, held-out %.2f dB", decoder_psnr(vae.decoder, check_codes, checks))
        vae.save_pretrained(self.folder / VAE)

    def text(self, minutes: float) -> None:
        """Train the text encoder's head start; leaves text.pt."""
        train_text_encoder(
            self.shown, caption, ATTRIBUTES, build_tokenizer(corpus()), self.folder,
            minutes=minutes, resume=self.resume,
        )  # fmt: skip

    def unet(self, minutes: float) -> None:
        """Train the UNet on latents, on CPUs a process on each core; leaves unet.pt."""
        self._keep_latents()
        arguments = (self.folder, self.device, minutes, self.resume)
        if self.device.name == "cpu":
            run_team(torch.get_num_threads(), self.folder, train_unet, *arguments)
        else:
            train_unet(ALONE, *arguments)

    def classifier(self, minutes: float) -> None:
        """Train the judge, on true pictures alone: it knows nothing of the model. Leaves judge/."""
        torch.manual_seed(4)
        pictures = draw_scenes(self.subjects, self.pictures or CLASSIFIER_PICTURES, 4)
        checks = draw_scenes(self.held_out, min(CLASSIFIER_CHECKS, len(pictures.pixels)), 5)
        labels = torch.from_numpy(pictures.labels())
        course = self._course("classifier", minutes)
        classifier = SceneClassifier()
        trained = Trained(classifier, course, self.device, rate=CLASSIFIER_RATE, average=0.995)
        for fraction in course:
            rng = np.random.default_rng(course.step)
            rows = rng.integers(len(pictures.pixels), size=CLASSIFIER_BATCH)
            images = augment(pictures.batch(rows), rng).to(self.device.name)
            with self.device.autocast():
                logits = classifier(images)
            wanted = labels[rows].to(self.device.name).unbind(1)
            losses = [
                functional.cross_entropy(one.float(), right, label_smoothing=0.05)
                for one, right in zip(logits.values(), wanted, strict=True)
            ]
            trained.learn(torch.stack(losses).sum(), fraction)
            if course.step % CHECKPOINT_STEPS == 0:
                trained.save()
        trained.save()
        finished = classifier.cpu().eval()
        logger.info("classifier done, held-out %s", accuracy(finished, checks))
        save_classifier(finished, self.folder / JUDGE)

    def assemble(self, _minutes: float) -> None:
        """Save a pipeline of the newest checkpoints, also while training; leaves weights/."""
        unet = scenes_unet()
        assemble(
            self.folder, self.folder / "weights", profile=scenes_profile(),
            tokenizer=build_tokenizer(corpus()), unet=restore_unet(self.folder / "unet.pt", unet),
            judge=JUDGE,
        )  # fmt: skip

    def _course(self, name: str, minutes: float) -> Course:
        return Course(
            name, self.folder / f"{name}.pt", minutes=minutes, resume=self.resume,
            clock=time.thread_time,
        )  # fmt: skip

    def _begun_vae(self, pictures: Pictures) -> AutoencoderTiny:
        """Return the autoencoder whose decoder is trained, as the folder has it or new.

        A resumed training keeps its code: another processor's linear algebra may turn the sign of
        a component, and the UNet would not know it any more.
        """
        folder = self.folder / VAE
        if self.resume and folder.exists():
            return _load_vae(folder)
        vae = build_vae(fit_code(every_nth(pictures, 4)))
        vae.save_pretrained(folder)
        (self.folder / LATENTS).unlink(missing_ok=True)  # of the code before
        return vae

    def _keep_latents(self) -> None:
        """Leave latents.pt: of fresh pictures and of their mirror images, (count, 32, 16, 16)."""
        count = self.pictures or UNET_PICTURES
        kept = self.folder / LATENTS
        if self.resume and kept.exists() and len(torch.load(kept, mmap=True)) == 2 * count:
            return
        vae = _load_vae(self.folder / VAE)
        pictures = draw_scenes(self.shown, count, 3)
        mirrored = Pictures(pixels=pictures.pixels[:, :, ::-1].copy(), products=pictures.products)
        latents = torch.cat([encode(vae, pictures), encode(vae, mirrored)])
        torch.save((latents * vae.config.scaling_factor).half(), kept)


def _load_vae(folder: Path) -> AutoencoderTiny:
    vae: AutoencoderTiny = AutoencoderTiny.from_pretrained(folder, use_safetensors=True)
    vae.encoder.requires_grad_(False)
    return vae


def main() -> None:
    """Run the wanted stage, or all of them in order."""
    parser = argparse.ArgumentParser(prog="python -m starter.scenes.train", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and logs")
    parser.add_argument("--stage", choices=[*MINUTES, "all"], default="all")
    parser.add_argument("--minutes", type=float, help="training time of each stage that runs")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoints")
    parser.add_argument("--device", default="auto", help="cpu, cuda or auto")
    parser.add_argument("--pictures", type=int, help="to draw for each stage that needs some")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    torch.set_num_threads(options.threads)
    device = choose_device(options.device)
    trainer = Trainer(
        options.out,
        device,
        minutes=options.minutes,
        resume=options.resume,
        pictures=options.pictures,
    )
    for stage in MINUTES if options.stage == "all" else [options.stage]:
        trainer.run(stage)


if __name__ == "__main__":
    main()
