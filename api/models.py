"""The models as the API sees them: manifests and tokenizers, read again when they change."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from bundles.manifest import PRESETS, Manifest, scheduler_support
from bundles.manifest_file import load_manifest, read_mark
from bundles.model_input import read_model_input, require_inpainting
from bundles.row_memory import RowMemory, weights_bytes
from bundles.scheduler_support import SchedulerSupport
from catalogue.checks import RequestLimits
from catalogue.models import Model, check_model, model_named
from catalogue.prompts.tokens import TokenLimit
from core.domain.image_request import ModelRevision
from core.domain.image_spec import PARAMETERS
from core.errors import BundleError, InvalidRequestError
from core.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Bundle(Model):
    """A model with what its bundle says of itself."""

    manifest: Manifest


class Models(Mapping[str, Bundle]):
    """The bundles in `settings.models` by name and in their order, as they are at the moment."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.folders = settings.models
        self._lock = Lock()
        self._read: dict[str, tuple[tuple[int, ...], Bundle]] = {}

    def __getitem__(self, name: str) -> Bundle:
        """Return a model's bundle; it is read again when its manifest was replaced.

        Raises:
            KeyError: There is no such model.
            BundleError: It has no bundle, or one that cannot be used.
        """
        folder = self.folders[name]
        with self._lock:
            mark = read_mark(folder)
            known = self._read.get(name)
            if known is None or not mark or known[0] != mark:
                known = self._read[name] = mark, self._load(name, folder)
            return known[1]

    def __contains__(self, name: object) -> bool:
        return name in self.folders

    def __iter__(self) -> Iterator[str]:
        return iter(self.folders)

    def __len__(self) -> int:
        return len(self.folders)

    def meant(self, name: str | None, *, masked: bool = False) -> Bundle:
        """Return the bundle that a request means: without a name, the first one's.

        Args:
            name: What the request says.
            masked: Whether a mask says where the model may draw.

        Raises:
            InvalidRequestError: There is no such model.
            BundleError: It has no bundle, or one that cannot be used.
        """
        if reason := check_model(model_named(name, self), self):
            issue = {"line": None, "column": "model", "message": reason}
            raise InvalidRequestError(f"The request is not valid: model: {reason}", errors=[issue])
        bundle = self[model_named(name, self)]
        return self[bundle.masked_by] if masked and bundle.masked_by else bundle

    def usable(self) -> Iterator[Bundle]:
        """Yield the bundles that can be used at the moment."""
        for name in self:
            with suppress(BundleError):
                yield self[name]

    def _load(self, name: str, folder: Path) -> Bundle:
        manifest, inpainting = load_manifest(folder), self._settings.inpainting_models
        if name in inpainting.values():
            require_inpainting(folder, name=name, latent_channels=manifest.latent_channels)
        tokenizer = folder / "tokenizer"
        schedulers = scheduler_support(manifest, folder)
        return Bundle(
            made_by=ModelRevision(
                name=name, revision=manifest.revision, reads=read_model_input(folder)
            ),
            masked_by=inpainting.get(name),
            manifest=manifest,
            languages=manifest.languages,
            limits=limits_of(
                manifest,
                self._settings,
                schedulers,
                most_pixels=_most_pixels(folder, manifest, self._settings),
                called=f"the model {name!r}" if len(self) > 1 else "this model",
            ),
            tokens=TokenLimit(
                tokenizer,
                max_tokens=manifest.max_tokens,
                weights=manifest.prompt_reading.weights,
            )
            if (tokenizer / "tokenizer.json").is_file()
            else None,
        )


def limits_of(
    manifest: Manifest,
    settings: Settings,
    schedulers: Mapping[str, SchedulerSupport],
    *,
    most_pixels: int | None,
    called: str,
) -> RequestLimits:
    """Put together what the model can and what the server allows."""
    return RequestLimits(
        most_pixels=most_pixels,
        model=called,
        smallest=manifest.sizes.min,
        largest=manifest.sizes.max,
        multiple_of=manifest.sizes.multiple_of,
        tested_pixels=max(
            (width * height for width, height in manifest.sizes.tested), default=None
        ),
        max_steps=settings.max_steps,
        max_variants=settings.max_variants,
        max_images=settings.max_sheet_rows,
        defaults=manifest.defaults.model_dump(include=set(PARAMETERS)),
        presets={
            name: manifest.presets[name].parameters for name in PRESETS if name in manifest.presets
        },
        schedulers={name: one.limits for name, one in schedulers.items() if one.works},
        unsuited={name: one.reason for name, one in schedulers.items() if not one.works},
    )


def _most_pixels(folder: Path, manifest: Manifest, settings: Settings) -> int | None:
    """Return the pixels of the largest image that workers have memory for; None: nobody knows."""
    # `auto` may be less.
    precision = "f32" if settings.inference_precision == "f32" else "bf16"
    memory = RowMemory.read(folder, manifest, precision=precision)
    if not settings.worker_max_rss_mib or memory is None:
        return None
    return memory.most_pixels(settings.worker_max_rss_mib * 2**20 - weights_bytes(folder))
