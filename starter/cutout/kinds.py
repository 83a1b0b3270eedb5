"""Which rendered objects are learned from, and which are only ever tested on."""

import hashlib
from pathlib import Path
from typing import Literal

PICTURES = (".webp", ".png")

Part = Literal["tune", "test", "all"]


def objects_of(folder: Path, part: Part) -> list[Path]:
    """Return the pictures of a part: a third is for tuning, by a digest of the name alone.

    So nobody chooses, and an object stays in its part whatever else comes into the folder.
    """
    files = sorted(one for one in folder.iterdir() if one.suffix in PICTURES)
    return [one for one in files if part == "all" or _for_tuning(one) == (part == "tune")]


def _for_tuning(file: Path) -> bool:
    return hashlib.sha256(file.stem.encode()).digest()[0] % 3 == 0
