"""What is made of a source before a bundle is made of it: other parts, more words, fewer layers."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from bundles.manifest import Addition
from bundles.records import Record
from core.errors import BundleError
from modelkit.export.weights import PICKLED

PredictionType = Literal["epsilon", "v_prediction"]
"""What a UNet predicts: the noise, or the velocity between noise and image."""


TimestepSpacing = Literal["leading", "linspace", "trailing"]
"""Which timesteps a schedule of few steps takes: `trailing` ones begin with nothing but noise."""


class Embedding(Record):
    """A textual inversion: vectors for a word of its own."""

    file: Path
    token: str | None = Field(None, description="The word; None: as the file says.")


class Lora(Record):
    """Small changes of a model's layers, and how much of them is added."""

    file: Path
    weight: float = 1.0


class Additions(Record):
    """Everything that changes a source; by default nothing does."""

    config: Path | None = Field(
        None, description="Configuration of a single file: a folder in diffusers' layout."
    )
    prediction_type: PredictionType | None = Field(
        None, description="Of a single file; None: as its keys say, or as it is measured."
    )
    vae: Path | None = Field(None, description="An autoencoder in place of the source's.")
    embeddings: tuple[Embedding, ...] = ()
    loras: tuple[Lora, ...] = ()
    clip_skip: int = Field(0, ge=0, description="Layers of the text encoder left out at its end.")
    timestep_spacing: TimestepSpacing | None = Field(
        None, description="Of the model's schedulers; None: as its configuration says."
    )

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return self != Additions()

    def check(self) -> None:
        """Check that files are there and may be read.

        Raises:
            BundleError: One is missing, or a pickle.
        """
        for path in self.files():
            if not path.exists():
                raise BundleError(f"There is no file {path}: check the path.")
            if path.suffix in PICKLED:
                raise BundleError(pickled(path))

    def files(self) -> Iterator[Path]:
        """Yield the files and folders that are read."""
        yield from filter(None, (self.config, self.vae))
        yield from (one.file for one in self.embeddings)
        yield from (one.file for one in self.loras)

    def digest(self) -> str:
        """Return a hash of everything that they change, the same on every machine."""
        named = {"config", "vae", "embeddings", "loras"}
        said: dict[str, Any] = self.model_dump(mode="json", exclude=named)
        if self.timestep_spacing is None:
            # What was made before it could be given keeps its digest.
            del said["timestep_spacing"]
        said["embeddings"] = [self._word(one) for one in self.embeddings]
        said["loras"] = [one.weight for one in self.loras]
        said["files"] = {
            name: [path_digest(path) for path in paths]
            for name, paths in (
                ("config", filter(None, [self.config])),
                ("vae", filter(None, [self.vae])),
                ("embeddings", [one.file for one in self.embeddings]),
                ("loras", [one.file for one in self.loras]),
            )
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    @staticmethod
    def _word(one: Embedding) -> str:
        # Of files that name no word, their own name is it.
        return one.token or one.file.stem

    def described(self) -> tuple[Addition, ...]:
        """Return what a bundle's manifest says of them."""
        found = []
        if self.vae:
            found.append(Addition(kind="vae", name=self.vae.name, sha256=path_digest(self.vae)))
        for one in self.embeddings:
            digest = path_digest(one.file)
            found.append(Addition(kind="embedding", name=one.file.name, sha256=digest))
        for lora in self.loras:
            digest = path_digest(lora.file)
            found.append(
                Addition(kind="lora", name=lora.file.name, sha256=digest, weight=lora.weight)
            )
        if self.clip_skip:
            found.append(Addition(kind="clip_skip", name=str(self.clip_skip)))
        if self.timestep_spacing:
            found.append(Addition(kind="timestep_spacing", name=self.timestep_spacing))
        return tuple(found)


def pickled(file: Path) -> str:
    """Return why a file is not read, and what to do."""
    return (
        f"{file} is a pickle, which can run any code when it is read: packshot reads safetensors "
        "only. Ask its maker for that, or save it again where you trust it."
    )


def path_digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of what a folder's configuration and weights are."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    from modelkit.export.source import content_hash  # noqa: PLC0415 - imports this module

    return content_hash(path, {})
