"""Trains a model on scenes: `python -m starter.scenes.train --out DIR [--device auto]`.

Every stage keeps a checkpoint in DIR and goes on from it with `--resume`. The same script runs on
CPUs, where it takes hours, and on an accelerator.
"""

import argparse
import copy
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderTiny
from diffusers.models.attention_processor import AttnProcessor
from torch import nn
from torch.nn import functional
from transformers import CLIPTokenizer

from bundles.manifest import JUDGE
from modelkit.training.course import LOG_FORMAT, Average, Course, decayed
from modelkit.training.device import Device, choose_device
from starter.chance import seeded
from starter.scenes.assemble import assemble
from starter.scenes.autoencoder import (
    LATENT_CHANNELS,
    build_vae,
    decoder_psnr,
    encode,
    fit_code,
    restoration_loss,
)
from starter.scenes.captions import caption
from starter.scenes.classifier import SceneClassifier, accuracy, save_classifier
from starter.scenes.diffusion import build_scheduler, build_unet, restore_unet, velocity_loss
from starter.scenes.pictures import Pictures, draw_scenes, every_nth
from starter.scenes.profile import scenes_profile
from starter.scenes.subjects import ATTRIBUTES, Shown, split_subjects, with_empty_scenes
from starter.scenes.text_encoder import restore_text_encoder, tokenize, train_text_encoder
from starter.tokenizer import build_tokenizer
from starter.training.classifier import augment

logger = logging.getLogger(__name__)

UNET_WIDTHS = (96, 160, 224)

MINUTES = {"vae": 30.0, "text": 2.0, "unet": 150.0, "classifier": 40.0, "assemble": 0.0}
"""The stages in their order, and how long each trains unless told otherwise."""

VAE_PICTURES, UNET_PICTURES, CLASSIFIER_PICTURES, CHECKS = 8_000, 15_000, 20_000, 240
CLASSIFIER_CHECKS = 600
VAE_BATCH, UNET_BATCH, CLASSIFIER_BATCH = 8, 24, 64
VAE_RATE, UNET_RATE, CLASSIFIER_RATE = 2e-3, 5e-4, 3e-3
EMPTY_CAPTIONS = 0.1
LATENT_NOISE = 0.02
"""Standard deviation of what the decoder's codes are off by, as a UNet's are."""
CHECKPOINT_STEPS = 100
LATENTS, VAE = "latents.pt", "vae"


class Trained:
    """A module, its optimiser and its average, with the checkpoint that they go on from."""

    def __init__(
        self, module: nn.Module, course: Course, device: Device, *, rate: float, average: float
    ) -> None:
        self.module = module.to(device.name)
        self.module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.course = course
        self.rate = rate
        self.optimiser = torch.optim.AdamW(module.parameters(), rate, weight_decay=1e-2)
        self.average = Average(module, average)
        if course.restored:
            module.load_state_dict(course.restored["model"])
            self.optimiser.load_state_dict(course.restored["optimiser"])
            self.average.load_state_dict(course.restored["average"])

    def learn(self, loss: torch.Tensor, fraction: float) -> None:
        """Take one step along a loss; the rate follows the share of the budget that is spent."""
        for group in self.optimiser.param_groups:
            group["lr"] = decayed(fraction, peak=self.rate, floor=0.02)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        self.optimiser.step()
        self.average.update(self.module)
        self.course.record(loss)

    def averaged(self) -> Any:
        """Return a copy of the module with the averaged weights, on the CPU."""
        finished = copy.deepcopy(self.module).cpu().eval()
        self.average.copy_to(finished)
        return finished

    def save(self) -> None:
        """Write the checkpoint."""
        self.course.save(
            model=self.module.state_dict(),
            optimiser=self.optimiser.state_dict(),
            average=self.average.state_dict(),
        )


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
        course = Course("vae", self.folder / "vae.pt", minutes=minutes, resume=self.resume)
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
            self.shown, caption, ATTRIBUTES, tokenizer_of(self.shown), self.folder,
            minutes=minutes, resume=self.resume,
        )  # fmt: skip

    def unet(self, minutes: float) -> None:
        """Train the UNet on latents; leaves unet.pt."""
        torch.manual_seed(3)
        latents, shown = self._latents()
        tokenizer = tokenizer_of(self.shown)
        text_encoder = restore_text_encoder(self.folder / "text.pt").requires_grad_(False)
        text_encoder.to(self.device.name)
        course = Course("unet", self.folder / "unet.pt", minutes=minutes, resume=self.resume)
        unet, scheduler = build_unet(UNET_WIDTHS, channels=LATENT_CHANNELS), build_scheduler()
        if self.device.name == "cpu":
            # With few tokens plain products go backward faster than the fused attention: a step
            # of 24 rows takes 0.74 s, else 0.93 s.
            unet.set_attn_processor(AttnProcessor())
        trained = Trained(unet, course, self.device, rate=UNET_RATE, average=0.998)
        torch.manual_seed(course.step)
        for fraction in course:
            rng = seeded(f"unet/{course.step}")
            rows = rng.choices(range(len(shown)), k=UNET_BATCH)
            ids = tokenize(tokenizer, [_text(shown[row], rng) for row in rows])
            with torch.no_grad():
                states = text_encoder(ids.to(self.device.name)).last_hidden_state
            clean = latents[rows].to(self.device.name)
            loss = velocity_loss(unet, scheduler, clean, states, self.device.autocast())
            trained.learn(loss, fraction)
            if course.step % CHECKPOINT_STEPS == 0:
                trained.save()
        trained.save()
        logger.info("unet done, loss %.4f", course.loss)

    def classifier(self, minutes: float) -> None:
        """Train the judge, on true pictures alone: it knows nothing of the model. Leaves judge/."""
        torch.manual_seed(4)
        pictures = draw_scenes(self.subjects, self.pictures or CLASSIFIER_PICTURES, 4)
        checks = draw_scenes(self.held_out, min(CLASSIFIER_CHECKS, len(pictures.pixels)), 5)
        labels = torch.from_numpy(pictures.labels())
        checkpoint = self.folder / "classifier.pt"
        course = Course("classifier", checkpoint, minutes=minutes, resume=self.resume)
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
        unet = build_unet(UNET_WIDTHS, channels=LATENT_CHANNELS)
        assemble(
            self.folder, self.folder / "weights", profile=scenes_profile(),
            tokenizer=tokenizer_of(self.shown), unet=restore_unet(self.folder / "unet.pt", unet),
            judge=JUDGE,
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

    def _latents(self) -> tuple[torch.Tensor, Sequence[Shown]]:
        """Return scaled latents, (count, 32, 16, 16), of fresh pictures, and what they show.

        Of each picture there is its mirror image too. They are kept in latents.pt for `resume`.
        """
        count = self.pictures or UNET_PICTURES
        shown = [self.shown[row % len(self.shown)] for row in range(count)]
        kept = self.folder / LATENTS
        if self.resume and kept.exists():
            latents = torch.load(kept, weights_only=True)
            if len(latents) == 2 * count:
                return latents, 2 * shown
        vae = _load_vae(self.folder / VAE)
        pictures = draw_scenes(self.shown, count, 3)
        mirrored = Pictures(pixels=pictures.pixels[:, :, ::-1].copy(), products=pictures.products)
        latents = torch.cat([encode(vae, pictures), encode(vae, mirrored)])
        latents *= vae.config.scaling_factor
        torch.save(latents, kept)
        return latents, 2 * shown


def _load_vae(folder: Path) -> AutoencoderTiny:
    vae: AutoencoderTiny = AutoencoderTiny.from_pretrained(folder, use_safetensors=True)
    vae.encoder.requires_grad_(False)
    return vae


def tokenizer_of(subjects: Sequence[Shown]) -> CLIPTokenizer:
    """Return the tokenizer that is trained on captions of subjects, each once."""
    rng = seeded(3)
    return build_tokenizer([caption(subject, rng) for subject in subjects])


def _text(subject: Shown, rng: Random) -> str:
    """Write a caption, or at times none, so that guidance has something to begin from."""
    return "" if rng.random() < EMPTY_CAPTIONS else caption(subject, rng)


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
