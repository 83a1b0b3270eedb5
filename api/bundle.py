"""The model bundle as the API sees it: a manifest and a tokenizer, read again when they change."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from bundles.manifest import (
    FILE_NAME,
    Manifest,
    SchedulerSupport,
    load_manifest,
    scheduler_support,
)
from bundles.model_input import read_model_input
from catalogue.checks import RequestLimits
from catalogue.prompts.tokens import TokenLimit
from core.domain.image_spec import PARAMETERS
from core.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """What a request is checked against."""

    manifest: Manifest
    limits: RequestLimits
    tokens: TokenLimit | None
    """None when the bundle has no tokenizer.json: prompts are not measured then."""


class CurrentBundle:
    """The first model's bundle, whichever is in its folder at the moment."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = next(iter(settings.models.values()))
        self._lock = Lock()
        self._read: tuple[tuple[int, ...], Bundle] | None = None

    def get(self) -> Bundle:
        """Give the bundle; it is read again when its manifest was replaced.

        Raises:
            BundleError: There is none, or it cannot be used.
        """
        with self._lock:
            mark = _mark(self.folder / FILE_NAME)
            if self._read is None or not mark or self._read[0] != mark:
                self._read = mark, self._load(self.folder)
            return self._read[1]

    def _load(self, folder: Path) -> Bundle:
        manifest = load_manifest(folder)
        tokenizer = folder / "tokenizer"
        return Bundle(
            manifest=manifest,
            limits=replace(
                limits_of(manifest, self.settings, scheduler_support(manifest, folder)),
                reads=read_model_input(folder),
            ),
            tokens=TokenLimit(tokenizer, max_tokens=manifest.max_tokens)
            if (tokenizer / "tokenizer.json").is_file()
            else None,
        )


def limits_of(
    manifest: Manifest, settings: Settings, schedulers: Mapping[str, SchedulerSupport]
) -> RequestLimits:
    """Put together what the model can and what the server allows."""
    return RequestLimits(
        smallest=manifest.sizes.min,
        largest=manifest.sizes.max,
        multiple_of=manifest.sizes.multiple_of,
        max_steps=settings.max_steps,
        max_variants=settings.max_variants,
        max_images=settings.max_sheet_rows,
        # The guidance interval is the model's alone: no request names it, no row stores it.
        defaults=manifest.defaults.model_dump(include=set(PARAMETERS)),
        schedulers={name: one.limits for name, one in schedulers.items() if one.works},
        unsuited={name: one.reason for name, one in schedulers.items() if not one.works},
    )


def _mark(path: Path) -> tuple[int, ...]:
    """Give what changes when a file is replaced; nothing when there is none."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_ino, status.st_size
