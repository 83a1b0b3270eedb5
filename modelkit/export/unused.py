"""What a model's folder holds besides what a bundle is made of."""

from collections.abc import Iterable
from pathlib import Path

from bundles.records import INDEX
from modelkit.export.architecture import weighted_parts
from modelkit.export.weights import PICKLED, find_weights

SINGLE_FILES = (".safetensors", ".ckpt", ".pt", ".pth")
"""How files end that hold a whole model."""

_BESIDE = {
    "safety_checker": "its safety checker (packshot looks at no image's content)",
    "feature_extractor": "its feature extractor (the safety checker's)",
    "image_encoder": "its image encoder",
}
"""Folders of parts that no bundle has, by name."""


def unused(folder: Path) -> list[str]:
    """List what of a folder in diffusers' layout does not come along, in words."""
    found = [words for name, words in _BESIDE.items() if (folder / name).is_dir()]
    for part in weighted_parts(folder):
        copies = _other_copies(folder / part)
        if copies:
            found.append(f"other copies of the weights in {part}: {', '.join(copies)}")
    beside = names_of(single_files(folder))
    if beside:
        found.append(f"whole models in single files beside it: {beside}")
    return found


def single_files(folder: Path) -> list[Path]:
    """List the files in a folder that may be whole models."""
    return sorted(file for file in folder.glob("*") if file.suffix in SINGLE_FILES)


def models_inside(folder: Path) -> list[Path]:
    """List the models that a folder holds which is none itself: single files, and folders."""
    inside = sorted(one.parent for one in folder.glob(f"*/{INDEX}"))
    return [*single_files(folder), *inside]


def names_of(paths: Iterable[Path], *, most: int = 5) -> str:
    """Return the names of files for a sentence, and how many more there are."""
    names = [path.name for path in paths]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _other_copies(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    taken = {file.name for file in find_weights(folder).files}
    kinds = (".safetensors", ".msgpack", ".onnx", *PICKLED)
    return sorted(
        file.name for file in folder.iterdir() if file.suffix in kinds and file.name not in taken
    )
