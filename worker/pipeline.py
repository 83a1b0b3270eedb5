"""The compiled model: text encoder, UNet and VAE decoder of one bundle, on OpenVINO."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from bundles.manifest import load_manifest
from core.errors import BundleError
from core.settings import Settings
from worker.guidance import guidance_embedding
from worker.model import Array
from worker.tokenizer import Tokenizer

_PARTS = ("text_encoder", "unet", "vae_decoder")


class Pipeline:
    """A bundle in the OpenVINO + diffusers layout, loaded and compiled.

    Each of its three models has its own inference request: the three methods may be called at
    the same time from three threads, but each of them from one thread only.
    """

    def __init__(
        self,
        folder: Path,
        *,
        device: str = "CPU",
        cache: Path | None = None,
        threads: int = 0,
        precision: str = "f32",
        revision: str = "",
    ) -> None:
        """Read and compile the models.

        Args:
            folder: The bundle.
            device: An OpenVINO device name.
            cache: Folder of compiled blobs: the next start loads them instead of compiling.
            threads: Threads of each model; 0 lets OpenVINO choose.
            precision: `f32`, `bf16`, or `auto` for what OpenVINO thinks best on this CPU.
            revision: The bundle's, from its manifest.

        Raises:
            BundleError: when a part is missing or cannot be read.
        """
        self.folder = folder
        self.revision = revision
        self._core = ov.Core()
        if cache is not None:
            self._core.set_property({"CACHE_DIR": str(cache)})
        self._properties: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
        if precision != "auto":
            self._properties["INFERENCE_PRECISION_HINT"] = precision
        if threads:
            self._properties["INFERENCE_NUM_THREADS"] = threads
        self._device = device
        models = {part: self._read(part) for part in _PARTS}
        self.per_row_timesteps = _free_timestep(models["unet"])
        requests = {part: self._compile(part, model) for part, model in models.items()}
        self._text_encoder, self._unet, self._vae_decoder = (requests[part] for part in _PARTS)

        unet, vae = self._config("unet"), self._config("vae_decoder")
        self.latent_channels = int(unet["in_channels"])
        self.vae_scale_factor = 2 ** (len(vae["block_out_channels"]) - 1)
        self._latent_scale = float(vae.get("scaling_factor") or 1.0)
        self._guidance_dim: int | None = unet.get("time_cond_proj_dim")
        self.embeds_guidance = self._guidance_dim is not None
        self._timestep_type = models["unet"].input("timestep").element_type.to_dtype()
        self.scheduler_config: Mapping[str, Any] = self._json("scheduler/scheduler_config.json")
        self.tokenizer = Tokenizer(folder / "tokenizer")

    def latent_shape(self, *, width: int, height: int) -> tuple[int, int, int]:
        """Give the latents' (channels, height, width) of an image size in pixels."""
        factor = self.vae_scale_factor
        return (self.latent_channels, height // factor, width // factor)

    def encode(self, texts: Sequence[str]) -> Array:
        """Encode texts to (texts, tokens, features); what exceeds the tokenizer's length is cut."""
        request = self._text_encoder
        name = request.model_inputs[0].get_any_name()
        dtype = request.model_inputs[0].element_type.to_dtype()
        request.infer({name: self.tokenizer.ids(texts).astype(dtype)})
        return np.array(request.get_output_tensor(0).data, dtype=np.float32)

    def predict(
        self, samples: Array, timesteps: Sequence[float], states: Array, guidance: Sequence[float]
    ) -> Array:
        """Run the UNet once.

        Args:
            samples: (rows, channels, height, width).
            timesteps: One per row.
            states: (rows, tokens, features), the text embeddings.
            guidance: One scale per row; read only by a UNet that embeds it.

        Returns:
            Of the shape of `samples`: noise, sample or velocity, as the bundle's scheduler reads.
        """
        if self.per_row_timesteps or len(set(timesteps)) == 1:
            return self._predict(samples, timesteps, states, guidance)
        # A UNet with one timestep for all rows: in lock-step, one call per noise level.
        output = np.empty_like(samples)
        for timestep in dict.fromkeys(timesteps):
            rows = [index for index, other in enumerate(timesteps) if other == timestep]
            scales = [guidance[index] for index in rows]
            output[rows] = self._predict(samples[rows], [timestep], states[rows], scales)
        return output

    def decode(self, latents: Array) -> NDArray[np.uint8]:
        """Decode (images, channels, height, width) to RGB (images, height, width, 3)."""
        self._vae_decoder.infer([latents / self._latent_scale])
        pixels = self._vae_decoder.get_output_tensor(0).data
        scaled = np.clip(pixels * 0.5 + 0.5, 0.0, 1.0) * 255
        return np.round(scaled).astype(np.uint8).transpose(0, 2, 3, 1)

    def warm_up(self, *, width: int, height: int) -> None:
        """Run each model once, so that the first job does not wait for memory and kernels."""
        states = self.encode([""])
        shape = (1, *self.latent_shape(width=width, height=height))
        self.predict(np.zeros(shape, np.float32), [1.0], states, [1.0])
        self.decode(np.zeros(shape, np.float32))

    def _predict(
        self, samples: Array, timesteps: Sequence[float], states: Array, guidance: Sequence[float]
    ) -> Array:
        inputs = {
            "sample": samples,
            "timestep": np.asarray(
                timesteps if self.per_row_timesteps else timesteps[:1], self._timestep_type
            ),
            "encoder_hidden_states": states,
        }
        if self._guidance_dim is not None:
            inputs["timestep_cond"] = guidance_embedding(guidance, self._guidance_dim)
        self._unet.infer(inputs)
        return np.array(self._unet.get_output_tensor(0).data, dtype=np.float32)

    def _read(self, part: str) -> Any:
        path = self.folder / part / "openvino_model.xml"
        if not path.is_file():
            raise BundleError(
                f"The model bundle at {self.folder} has no {part}/openvino_model.xml. "
                "Build it again: `packshot model build SOURCE`."
            )
        try:
            return self._core.read_model(path)
        except RuntimeError as error:
            raise BundleError(
                f"{path} cannot be read ({str(error).strip().splitlines()[-1]}). "
                "Build the bundle again: `packshot model build SOURCE`."
            ) from error

    def _compile(self, part: str, model: Any) -> Any:
        # The text encoder runs once per text: rounding there would reach every step.
        properties = self._properties | (
            {"INFERENCE_PRECISION_HINT": "f32"} if part == "text_encoder" else {}
        )
        return self._core.compile_model(model, self._device, properties).create_infer_request()

    def _config(self, part: str) -> dict[str, Any]:
        return self._json(f"{part}/config.json")

    def _json(self, name: str) -> dict[str, Any]:
        try:
            loaded: dict[str, Any] = json.loads((self.folder / name).read_text())
        except (OSError, ValueError) as error:
            raise BundleError(
                f"The model bundle at {self.folder} has no readable {name} ({error}). "
                "Build it again: `packshot model build SOURCE`."
            ) from error
        return loaded


def _free_timestep(unet: Any) -> bool:
    """Give the UNet one float timestep per row; tell whether it takes that.

    Exported UNets take one integer timestep for all rows, shape [1]: some schedulers' timesteps
    are not whole, and rows of one call may stand at different ones. The same graph with a wider
    input works when its operations broadcast.
    """
    timestep = unet.input("timestep").node
    element_type, shape = timestep.get_element_type(), timestep.get_partial_shape()
    try:
        timestep.set_element_type(ov.Type.f32)
        timestep.set_partial_shape(ov.PartialShape([-1]))
        unet.validate_nodes_and_infer_types()
    except RuntimeError:
        timestep.set_element_type(element_type)
        timestep.set_partial_shape(shape)
        unet.validate_nodes_and_infer_types()
        return False
    return True


def load_pipeline(settings: Settings) -> Pipeline:
    """Load the bundle of the settings, compiled and warm.

    Raises:
        BundleError: when there is none or it cannot be used.
    """
    manifest = load_manifest(settings.bundle)
    pipeline = Pipeline(
        settings.bundle,
        device=settings.device,
        cache=settings.home / "compiled",
        threads=settings.inference_threads,
        precision=settings.inference_precision,
        revision=manifest.revision,
    )
    pipeline.warm_up(width=manifest.defaults.width, height=manifest.defaults.height)
    return pipeline
