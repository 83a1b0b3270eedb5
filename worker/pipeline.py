"""The compiled model: text encoders, UNet and VAE decoder of one bundle, on OpenVINO."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundles.graphs import cut
from bundles.layout import SIZE_IDS, Config, Layout, load_layout
from bundles.manifest import BlockCache, DeepCache, PromptReading, variant_folder
from bundles.manifest_file import load_manifest
from bundles.model_input import read_model_input
from bundles.plan import Plan
from bundles.step_plan import FULL
from core.errors import BundleError
from core.settings import Settings
from worker import compiled_cache
from worker.compiler import Compiler
from worker.features import load_alignment
from worker.finite import check_finite
from worker.image_encoder import ImageEncoder
from worker.model import (
    Array,
    Conditioning,
    Features,
    ImageLatents,
    StepInputs,
    stack,
)
from worker.precision import EXACT, inference_precision
from worker.text_encoder import TextEncoder
from worker.tiling import decode_tiled
from worker.tokenizer import AS_CLIP
from worker.unet import Shape, UNet, guidance_embedding

FeatureShapes = Mapping[Shape, Mapping[str, Sequence[int]]]
"""Of each feature, by the fixed shape of the call."""


class Pipeline:
    """A bundle in the OpenVINO + diffusers layout, loaded and compiled.

    The three models run at the same time, `predict` in as many threads as the plan has streams;
    `encode` and `encode_images` are for one thread, and `decode` is for one.
    """

    def __init__(
        self,
        folder: Path,
        *,
        device: str = "CPU",
        cache: Path | None = None,
        plan: Plan | None = None,
        precision: str = "f32",
        decoder_precision: str | None = None,
        pinning: bool = True,
        decode_tile: int = 0,
        revision: str = "",
        feature_caching: DeepCache | BlockCache | None = None,
        prompt_reading: PromptReading = AS_CLIP,
    ) -> None:
        """Read and compile the models.

        Args:
            folder: The bundle.
            device: An OpenVINO device name.
            cache: Folder of compiled blobs: the next start loads them instead of compiling.
            plan: Streams, threads and fixed shapes; without one OpenVINO's choice for one stream.
            precision: `f32`, `bf16` or `f16`.
            decoder_precision: The same of the decoder alone; None: as the UNet's.
            pinning: Whether OpenVINO may bind its threads to cores.
            decode_tile: Images with a longer side are decoded in tiles of this many pixels, a
                multiple of 64; and no more pixels than a tile has in one call. 0: never.
            revision: The bundle's, from its manifest.
            feature_caching: The same; without it every step runs the whole UNet.
            prompt_reading: The same; without it prompts are read as CLIP does.

        Raises:
            BundleError: when a part is missing or cannot be read.
        """
        self.folder, self.revision, self.feature_caching = folder, revision, feature_caching
        self._compiler = compiler = Compiler(
            folder, device=device, cache=cache, precision=precision, pinning=pinning
        )
        self._plan, layout = plan or Plan(), load_layout(folder)
        self._read_sizes(layout)
        reads, self.scheduler_config = read_model_input(folder), layout.scheduler
        self.embeds_guidance, self.taught = reads.embeds_guidance, reads.taught
        self._tile = decode_tile // self.vae_scale_factor
        alone = compiler.latency(self._plan.threads)
        # The text encoder runs once per text: rounding there would reach every step.
        exact = alone | {"INFERENCE_PRECISION_HINT": "f32"}
        self._text_encoder = self._make_text_encoder(layout.text_encoders, exact, prompt_reading)
        self.tokenizer = self._text_encoder.tokenizer
        self.zeroes_empty_negative = layout.zeroes_empty_negative
        self._image_encoder = self._make_image_encoder(exact)
        upcasts = layout.upcasts_decoder and (decoder_precision or precision) == "f16"
        self._load_decoder(alone, EXACT if upcasts else decoder_precision)
        self.precision = self._decoded_in if decoder_precision is None else precision
        self.alignment = load_alignment(folder) if feature_caching else None
        self._unet = unet = self.compile_unet(self._plan)
        self.per_row_timesteps = unet.per_row_timesteps
        self._unets = {frozenset[str](): unet} | self._compile_variants(self._plan)
        """By the features that they take."""

    def _read_sizes(self, layout: Layout) -> None:
        self.latent_channels = int(layout.vae["latent_channels"])
        self.vae_scale_factor = 2 ** (len(layout.vae["block_out_channels"]) - 1)
        self._latent_scale = float(layout.vae["scaling_factor"])
        self._encoder_scale = float(layout.encoder.get("scaling_factor", self._latent_scale))
        self._sample_channels = int(layout.unet["in_channels"])
        self.inpaints = self._sample_channels != self.latent_channels
        self._guidance_dim: int | None = layout.unet.get("time_cond_proj_dim")

    def latent_shape(self, *, width: int, height: int) -> tuple[int, int, int]:
        """Return the latents' (channels, height, width) for an image size in pixels."""
        factor = self.vae_scale_factor
        return (self.latent_channels, height // factor, width // factor)

    def sample_shape(self, *, width: int, height: int) -> tuple[int, int, int]:
        """Return the (channels, height, width) of what the UNet sees of an image size in pixels."""
        _, *latents = self.latent_shape(width=width, height=height)
        return (self._sample_channels, latents[0], latents[1])

    def encode(self, texts: Sequence[str]) -> list[Conditioning]:
        """Encode texts; what exceeds the bundle's length of prompts is cut."""
        return self._text_encoder.encode(texts)

    def conditioning(self, *, guidance_scale: float, width: int, height: int) -> Conditioning:
        """Return what conditions a row beside its text.

        That is the guidance scale, for a UNet that embeds it; and for Stable Diffusion XL's the
        size, of which nothing was cropped (Podell et al. 2023, "SDXL: Improving Latent Diffusion
        Models for High-Resolution Image Synthesis", arXiv 2307.01952, section 2.2).
        """
        beside: dict[str, Array] = {}
        if self._guidance_dim is not None:
            (beside["timestep_cond"],) = guidance_embedding([guidance_scale], self._guidance_dim)
        if self._text_encoder.pools:
            beside[SIZE_IDS] = np.array([height, width, 0, 0, height, width], np.float32)
        return beside

    def predict(self, inputs: StepInputs) -> tuple[Array, list[Features]]:
        """Run the UNet once, or the variant of it that takes the features that the rows bring.

        Returns:
            Noise, sample or velocity, as the bundle's scheduler reads it, and features that are
            kept; see `Model.predict`.
        """
        return self._unets[inputs.takes].predict(inputs)

    def encode_images(self, images: Array) -> list[ImageLatents]:
        """Encode RGB images, (images, height, width, 3) within -1 to 1.

        Raises:
            BundleError: The bundle has no encoder of images.
            NotFiniteError: What was encoded of one of them is not finite.
        """
        _, height, width = self.latent_shape(height=images.shape[1], width=images.shape[2])
        at_once = self._at_once(len(images), height, width)
        encode, starts = self._image_encoder.encode, range(0, len(images), at_once)
        return [one for start in starts for one in encode(images[start : start + at_once])]

    def decode(self, latents: Array) -> NDArray[np.uint8]:
        """Decode (images, channels, height, width) to RGB (images, height, width, 3).

        Raises:
            NotFiniteError: What was decoded of one of them is not finite.
        """
        height, width = latents.shape[2:]
        if self._tile and max(height, width) > self._tile:
            parts = [self._decode_tiled(image) for image in np.split(latents, len(latents))]
        else:
            at_once = self._at_once(len(latents), height, width)
            starts = range(0, len(latents), at_once)
            parts = [self._decode(latents[start : start + at_once]) for start in starts]
        check_finite("the decoder's output", *parts, precision=self._decoded_in)
        return np.concatenate([to_pixels(part) for part in parts])

    def _at_once(self, images: int, height: int, width: int) -> int:
        """Return how many images share a call of the autoencoder, by their size in latents.

        Memory grows with the pixels of a call, and more of them make none of them faster.
        """
        return max(1, self._tile**2 // (height * width)) if self._tile else images

    def compile_unet(self, plan: Plan) -> UNet:
        """Compile the bundle's UNet as another plan says, beside the one that `predict` runs.

        Where features are kept, it is the whole one.
        """
        model = self._compiler.read("unet")
        if len(model.outputs) > 1:
            # Each output costs a copy: those that no step takes are left out.
            caching = self.feature_caching
            model = cut(model, takes=(), leaves=caching.variants[FULL].leaves if caching else ())
        return self._compile_unet(model, plan)

    def _load_decoder(self, properties: dict[str, Any], precision: str | None) -> None:
        hint = {} if precision is None else {"INFERENCE_PRECISION_HINT": precision}
        compiled = self._compiler.load("vae_decoder", properties | hint)
        self._decoded_in = str(compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name())
        self._vae_decoder = compiled.create_infer_request()

    def _make_text_encoder(
        self, encoders: Sequence[Config], properties: dict[str, Any], reading: PromptReading
    ) -> TextEncoder:
        load = partial(self._compiler.load, properties=properties)
        return TextEncoder(self.folder, encoders, load, reading)

    def _make_image_encoder(self, properties: dict[str, Any]) -> ImageEncoder:
        # Exact, too: what is lost here is lost in each picture that begins with another.
        return ImageEncoder(
            lambda: self._compiler.load("vae_encoder", properties),
            channels=self.latent_channels,
            scale=self._encoder_scale,
        )

    def _compile_variants(self, plan: Plan) -> dict[frozenset[str], UNet]:
        """Compile what runs at steps that take features."""
        if self.feature_caching is None:
            return {}
        if not self.per_row_timesteps:
            raise BundleError(
                f"The UNet in {self.folder} takes one timestep for all rows, and cannot keep "
                "features between steps so: build the bundle again, `packshot model build SOURCE`."
            )
        shapes = self._unet.feature_shapes
        return {
            frozenset(one.takes): self._compile_unet(
                self._compiler.read(variant_folder(one.name)), plan, shapes
            )
            for one in self.feature_caching.variants[FULL + 1 :]
        }

    def _compile_unet(self, model: Any, plan: Plan, features: FeatureShapes | None = None) -> UNet:
        properties = self._compiler.latency(plan.threads)
        if plan.streams > 1:
            del properties["PERFORMANCE_HINT"]
            properties["NUM_STREAMS"] = plan.streams
        fixed: Sequence[tuple[int, int, int]] = ()
        if plan.size is not None:
            _, *latents = self.latent_shape(width=plan.size[0], height=plan.size[1])
            fixed = [(batch, latents[0], latents[1]) for batch in plan.batches]
        return UNet(
            model,
            lambda model: self._compiler.compile(model, properties),
            streams=plan.streams,
            fixed=fixed,
            tokens=self.tokenizer.length,
            feature_shapes=features,
        )

    def warm_up(self, *, width: int, height: int) -> None:
        """Run each model once, so that the first job does not wait for memory and kernels."""
        latents = np.zeros((1, *self.latent_shape(width=width, height=height)), np.float32)
        (text,) = self.encode([""])
        row = {**text, **self.conditioning(guidance_scale=1.0, width=width, height=height)}
        samples = np.zeros((1, *self.sample_shape(width=width, height=height)), np.float32)
        for rows in (1, *self._plan.batches):
            self._warm_up_unet(np.repeat(samples, rows, axis=0), row)
        self.decode(latents)

    def _warm_up_unet(self, samples: Array, row: Conditioning) -> None:
        rows = len(samples)
        inputs = StepInputs(
            samples=samples, timesteps=[1.0] * rows, conditioning=stack([row] * rows)
        )
        known: list[dict[str, Array]] = [{} for _ in range(rows)]
        for takes, leaves in self._features():
            taken = [{name: features[name] for name in takes} for features in known]
            _, left = self.predict(replace(inputs, taken=taken, kept=[leaves] * rows))
            for features, fresh in zip(known, left, strict=True):
                features.update(fresh)

    def _features(self) -> Sequence[tuple[Sequence[str], Sequence[str]]]:
        """List what each variant of the UNet takes and leaves, the whole one first."""
        caching = self.feature_caching
        return [(one.takes, one.leaves) for one in caching.variants] if caching else [((), ())]

    def _decode(self, latents: Array) -> Array:
        self._vae_decoder.infer([latents / self._latent_scale], share_inputs=True)
        return np.array(self._vae_decoder.get_output_tensor(0).data, dtype=np.float32)

    def _decode_tiled(self, latents: Array) -> Array:
        return decode_tiled(self._decode, latents, tile=self._tile, scale=self.vae_scale_factor)


def to_pixels(decoded: Array) -> NDArray[np.uint8]:
    """Make what a decoder gave, (images, 3, height, width), pixels: (images, height, width, 3)."""
    scaled = np.clip(decoded * 0.5 + 0.5, 0.0, 1.0) * 255
    return np.round(scaled).astype(np.uint8).transpose(0, 2, 3, 1)


def load_pipeline(folder: Path, settings: Settings, plan: Plan) -> Pipeline:
    """Load a bundle, compiled as planned, and warm.

    Raises:
        BundleError: when there is none or it cannot be used.
    """
    manifest = load_manifest(folder)
    precisions = inference_precision(settings, manifest, folder)
    pipeline = Pipeline(
        folder,
        device=settings.device,
        cache=compiled_cache.folder_of(settings.home.expanduser(), manifest.revision),
        plan=plan,
        precision=precisions.unet,
        decoder_precision=precisions.decoder,
        pinning=settings.inference_pinning,
        decode_tile=settings.decode_tile,
        revision=manifest.revision,
        feature_caching=manifest.feature_caching,
        prompt_reading=manifest.prompt_reading,
    )
    pipeline.warm_up(width=manifest.defaults.width, height=manifest.defaults.height)
    return pipeline
