"""A model on the Hugging Face Hub: which of its files are needed, and fetching these."""

import re
from collections.abc import Collection
from pathlib import Path
from threading import Lock
from typing import Any

import httpx
from huggingface_hub import HfApi, constants, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
)
from huggingface_hub.utils.tqdm import tqdm

from bundles.records import SECOND_ENCODER
from core.errors import BundleError
from modelkit.export.architecture import WEIGHTED
from modelkit.export.resources import require_disk
from modelkit.export.weights import choose_weights
from modelkit.progress import Progress

_CONFIGURATION = re.compile(
    r"model_index\.json|packshot\.json|README\.md|scheduler/scheduler_config\.json"
    r"|(text_encoder(_2)?|unet|vae|vae_decoder|vae_encoder)/config\.json"
    r"|tokenizer(_2)?/[^/]+\.(json|txt)"
)
"""What a model needs besides its weights."""

_OPENVINO = re.compile(
    r"(text_encoder(_2)?|unet|vae_decoder|vae_encoder)/openvino_model\.(xml|bin)"
)
"""The weights of a model that somebody converted already."""

_INDEX_OF_SHARDS = re.compile(r"\w+(\.\w+)?\.safetensors\.index(\.\w+)?\.json")
"""What says in which of several files each weight is; a variant has an index of its own."""

MEGABYTE = 10**6


def download(model: str, say: Progress) -> Path:
    """Fetch a model from the Hub into its cache, or find it there; only what a bundle is made of.

    Args:
        model: Its id, as in `owner/name`.
        say: Advanced by one per megabyte.

    Returns:
        The folder in the Hub's cache.

    Raises:
        BundleError: There is no such model, it cannot be reached and is not in the cache, its
            weights are pickled, or there is too little disk.
    """
    try:
        files = _list(model)
        if files is None:
            return Path(snapshot_download(model, local_files_only=True))
        wanted = choose_files(files, model)
        missing = sum(files[name] for name in wanted if not _is_cached(model, name))
        require_disk(Path(constants.HF_HUB_CACHE), missing, f"download {model}")
        if missing:
            say.stage(f"download {model} (MB)", missing // MEGABYTE)
        return Path(
            snapshot_download(model, allow_patterns=wanted, tqdm_class=_telling(Megabytes(say)))
        )
    except GatedRepoError as error:
        raise BundleError(
            f"{model} asks for an agreement before it is downloaded: accept it on the model's "
            "page, and set HF_TOKEN to a token of yours."
        ) from error
    except (
        httpx.HTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OSError,
        # From downloads that run while another one finds the network gone.
        RuntimeError,
    ) as error:
        raise BundleError(
            f"{model} is neither a folder nor a model on the Hub that can be reached: "
            "give a diffusers folder (one with model_index.json)."
        ) from error


def choose_files(names: Collection[str], model: str) -> list[str]:
    """Choose what to download: one copy of each part's weights, and what describes the parts.

    Raises:
        BundleError: Weights are missing or pickled.
    """
    wanted = [name for name in names if _CONFIGURATION.fullmatch(name)]
    converted = [name for name in names if _OPENVINO.fullmatch(name)]
    if converted and not any(re.fullmatch(r"unet/.*\.safetensors", name) for name in names):
        return sorted(wanted + converted)
    # The index, which names all parts, is not here yet.
    second = [SECOND_ENCODER] if f"{SECOND_ENCODER}/config.json" in names else []
    for part in (*WEIGHTED, *second):
        wanted += _weights_of(part, names, model)
    return sorted(wanted)


def _weights_of(part: str, names: Collection[str], model: str) -> list[str]:
    inside = [name.removeprefix(f"{part}/") for name in names if name.startswith(f"{part}/")]
    _, chosen = choose_weights(inside, where=f"{model}/{part}")
    indices = [name for name in inside if _INDEX_OF_SHARDS.fullmatch(name)]
    return [f"{part}/{name}" for name in chosen if "/" not in name] + [
        f"{part}/{name}" for name in indices
    ]


class Megabytes:
    """Counts bytes that several threads receive, and tells of each megabyte."""

    def __init__(self, say: Progress) -> None:
        self._say = say
        self._rest = 0
        self._lock = Lock()

    def add(self, count: int) -> None:
        """Count more bytes."""
        with self._lock:
            whole, self._rest = divmod(self._rest + count, MEGABYTE)
            if whole:
                self._say.advance(whole)


def _telling(megabytes: Megabytes) -> type[tqdm]:
    """Make the kind of progress bar that the Hub's library wants, which draws nothing itself."""

    class Telling(tqdm):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            # One bar counts bytes, another one files.
            self.counts_bytes = options.get("unit") == "B"
            super().__init__(*arguments, **options | {"disable": True})

        def update(self, n: float | None = 1) -> None:
            if self.counts_bytes:
                megabytes.add(int(n or 0))

    return Telling


def _is_cached(model: str, name: str) -> bool:
    return isinstance(try_to_load_from_cache(model, name), str)


def _list(model: str) -> dict[str, int] | None:
    """List the model's files with their sizes in bytes; None when the Hub is out of reach."""
    try:
        info = HfApi().model_info(model, files_metadata=True)
    except (httpx.ConnectError, httpx.TimeoutException, OfflineModeIsEnabled):
        return None
    return {file.rfilename: file.size or 0 for file in info.siblings or ()}
