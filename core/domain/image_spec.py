"""What decides an image: declared here and nowhere else, from the request to the model.

Request schemas, sheets' columns, tables, claims and the engine's requests carry an `ImageSpec`, or
are made from its fields (`docs/decisions/0035-image-spec.md`). To add a parameter: a field here, a
migration, and a test of what it does.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import partial
from typing import Any, Self

from core.domain.photograph_spec import PROMPTED, ImageMode, PhotographSpec
from core.domain.schedulers import SCHEDULERS
from core.domain.seeds import derived_seed, variant_seed
from core.domain.texts import canonical_text


@dataclass(frozen=True, kw_only=True)
class ModelInput:
    """What of a request a bundle's model sees at all; equal sights give equal images."""

    taught: tuple[str, ...] = ()
    """Tokens that its tokenizer was taught beside CLIP's, such as those of textual inversion."""
    embeds_guidance: bool = False
    """Whether the UNet takes the guidance scale as an input (as distilled ones do), whatever it
    is; then it sees no negative prompt."""
    encodes_pictures: bool = True
    """Whether an image can begin with a picture: some bundles only decode."""


def _says(description: str) -> Mapping[str, str]:
    """Return the metadata of a field: what people are told of it, in the API's schema too."""
    return {"description": description}


@dataclass(frozen=True, kw_only=True)
class ImageSpec:
    """Everything that decides an image, whichever model makes it.

    A field that comes later has a default; where it has that value, the fingerprint is what it was
    before.
    """

    prompt: str = field(metadata=_says("What the image shows."))
    negative_prompt: str = field(metadata=_says("What not to draw."))
    width: int = field(metadata=_says("Pixels."))
    height: int = field(metadata=_says("Pixels."))
    steps: int = field(metadata=_says("Denoising steps."))
    guidance_scale: float = field(
        metadata=_says("Classifier-free guidance; 1 or less switches it off.")
    )
    guidance_start: float = field(
        default=0.0, metadata=_says("Share of the schedule before which guidance is off.")
    )
    guidance_end: float = field(
        default=1.0,
        metadata=_says(
            "Share of the schedule from which guidance is off again; a step without it costs half."
        ),
    )
    scheduler: str = field(
        metadata=_says(
            f"Name of the sampling method: {', '.join(SCHEDULERS)}. Which of them the model works "
            "with, and how many steps each can take, is checked; a refusal names them."
        )
    )
    seed: int | None = field(
        metadata=_says(
            "Seed of the first variant; `derived`, as without one: all that decides the image "
            "decides it too; `per_sku`: the SKU decides it."
        )
    )
    """None: the fingerprint decides it, see `decided`."""
    mode: ImageMode = ImageMode.TEXT
    photograph: PhotographSpec | None = None
    """What becomes of a photograph; None: there is none."""

    @classmethod
    def of(cls, values: Mapping[Any, Any]) -> Self:
        """Build a spec from a mapping that has its fields, among others.

        Where it says nothing of a mode or a photograph, the image is drawn from text.
        """
        photograph = values.get("photograph")
        return cls(
            **{
                name: values[name] if one.default is MISSING else values.get(name, one.default)
                for name, one in PARAMETERS.items()
            },
            mode=ImageMode(values.get("mode", ImageMode.TEXT)),
            photograph=None if photograph is None else PhotographSpec.of(photograph),
        )

    @classmethod
    def cutout(cls, photograph: PhotographSpec, *, width: int, height: int) -> Self:
        """Build the spec of a cut-out, which no model sees.

        Args:
            photograph: Whose product, and how it is shown.
            width: Of the image, in pixels.
            height: The same.
        """
        return cls(
            prompt="",
            negative_prompt="",
            width=width,
            height=height,
            steps=0,
            guidance_scale=1.0,
            scheduler="",
            seed=0,
            mode=ImageMode.CUTOUT,
            photograph=photograph,
        )

    def with_product(self, photograph: PhotographSpec, *, width: int, height: int) -> Self:
        """Return the scene in which a photograph's product stands in this image: see `drawn`.

        Args:
            photograph: Whose product, and where it stands.
            width: Of the scene, in pixels.
            height: The same.
        """
        photograph = replace(photograph, drawn_width=self.width, drawn_height=self.height)
        return replace(
            self, mode=ImageMode.SCENE, photograph=photograph, width=width, height=height
        )

    def over(self, photograph: PhotographSpec) -> Self:
        """Return the edit that draws this image over a photograph, with its strength."""
        return replace(self, mode=ImageMode.EDIT, photograph=photograph)

    @property
    def drawn(self) -> Self:
        """What of it a model draws: the image itself, or a scene's background, without a product.

        Scenes of equal backgrounds share one, whatever stands in them. Of an edit it is what its
        prompt asks for, whatever it is drawn over.
        """
        photograph = self.photograph
        if self.mode not in PROMPTED or photograph is None:
            return self
        if self.mode is ImageMode.EDIT:
            return replace(self, mode=ImageMode.TEXT, photograph=None)
        return replace(
            self,
            mode=ImageMode.TEXT,
            photograph=None,
            width=photograph.drawn_width,
            height=photograph.drawn_height,
        )

    @property
    def guided(self) -> bool:
        """Return whether it needs two UNet rows: with and without the prompt."""
        return self.guidance_scale > 1

    @property
    def guidance_interval(self) -> tuple[float, float]:
        """Return the shares of the schedule between which guidance is on."""
        return self.guidance_start, self.guidance_end

    @property
    def noise_seed(self) -> int:
        """The seed of its noise.

        Raises:
            ValueError: It was not decided yet.
        """
        if self.seed is None:
            raise ValueError("The seed is not decided: call `decided` first.")
        return self.seed

    def decided(self, digest: str, variant: int = 1) -> Self:
        """Return the spec with the seed of a variant; without one it is made of `digest`.

        Args:
            digest: What `fingerprint` returns for the variant.
            variant: From 1.
        """
        if self.mode is ImageMode.CUTOUT:
            return self
        seed = derived_seed(digest) if self.seed is None else variant_seed(self.seed, variant)
        return replace(self, seed=seed)

    def canonical(
        self,
        *,
        variant: int = 1,
        reads: ModelInput = ModelInput(),
    ) -> dict[str, Any]:
        """Return what of it the model sees, each in one form: equal ones give equal images.

        Texts are folded as the tokenizer folds them. Every guidance scale up to 1 means none,
        unless the UNet takes it as an input; without guidance nothing sees the negative prompt,
        or when it would be on.
        Two variants differ in this alone, or in the seed that `variant_seed` makes of it. Of a
        cut-out nothing counts that only models see; of a scene or an edit its photograph does, too.
        """
        if self.mode is ImageMode.CUTOUT:
            return self._canonical_photograph()
        if self.mode in PROMPTED:
            drawn = self.drawn.canonical(variant=variant, reads=reads)
            return drawn | self._canonical_photograph()
        guided = self.guided and not reads.embeds_guidance
        fold = partial(canonical_text, taught=reads.taught)
        seed = self.seed
        if seed is not None:
            seed, variant = variant_seed(seed, variant), 1
        given = {
            name: value
            for name, value in vars(self).items()
            if name in PARAMETERS and value != PARAMETERS[name].default
        }
        seen = {
            "prompt": fold(self.prompt),
            "negative_prompt": fold(self.negative_prompt) if guided else "",
            # Not rounded: 1.00001 is guided and 1 is not. Adding 0 makes -0.0 the 0.0 that it is.
            "guidance_scale": float(self.guidance_scale) + 0.0
            if guided or reads.embeds_guidance
            else 1.0,
            "seed": seed,
            "variant": variant,
        }
        if not guided:
            given = {name: one for name, one in given.items() if name not in _OF_GUIDANCE}
        if reads.taught:
            # Apart from those that were made when all texts were folded.
            seen["texts"] = "as written"
        return given | seen

    def _canonical_photograph(self) -> dict[str, Any]:
        photograph = self.photograph.canonical() if self.photograph else {}
        size = {"width": self.width, "height": self.height}
        return {"mode": self.mode.value, **size, "photograph": photograph}

    def fingerprint(
        self,
        bundle_revision: str,
        *,
        variant: int = 1,
        approximate: bool = False,
        reads: ModelInput = ModelInput(),
    ) -> str:
        """Digest everything that decides the image.

        Args:
            bundle_revision: A new model never serves an old model's images.
            variant: From 1.
            approximate: Whether the image may begin with another one's latents: it is then never
                found by those who did not agree to that.
            reads: What of all this the bundle's model sees.

        Returns:
            SHA-256, 64 hex digits.
        """
        canonical = self.canonical(variant=variant, reads=reads) | {"bundle": bundle_revision}
        if approximate:
            canonical["approximate"] = True
        encoded = json.dumps(canonical, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(encoded.encode()).hexdigest()

    def scope(
        self,
        bundle_revision: str,
        *,
        variant: int = 1,
        reads: ModelInput = ModelInput(),
    ) -> str:
        """Digest what it must share with an image whose latents it begins with.

        That is all but the prompt: another size, schedule or guidance has other latents, and who
        names a seed or asks for another variant wants an image that begins differently.
        """
        bare = replace(self, prompt="")
        return bare.fingerprint(bundle_revision, variant=variant, reads=reads)

    def document(self) -> dict[str, Any]:
        """Return the fields and their values, as rows hold them."""
        photograph = self.photograph.document() if self.photograph else None
        return dict(vars(self)) | {"photograph": photograph}


_OF_GUIDANCE = frozenset({"guidance_start", "guidance_end"})


def guided_steps(steps: int, interval: tuple[float, float]) -> int:
    """Return how many of a schedule's steps have guidance.

    Args:
        steps: Of the schedule.
        interval: Shares of it: step i of n, from 0, is guided where i / n is not below the first
            and below the second.
    """
    start, end = interval
    return sum(start <= step / steps < end for step in range(steps))


NO_PARAMETERS = frozenset({"mode", "photograph"})
"""Fields that no model sees."""

PARAMETERS = {one.name: one for one in fields(ImageSpec) if one.name not in NO_PARAMETERS}
"""What a model is given, by name and in order: what everything else that has them is made from."""
