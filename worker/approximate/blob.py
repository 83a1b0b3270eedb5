"""Latents to bytes and back, with every doubt spoken out."""

import hashlib
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

CONTENT_TYPE = "application/octet-stream"


class DamagedLatentsError(ValueError):
    """The bytes are no latents that a row can go on from."""


def pack(latents: NDArray[np.float16]) -> bytes:
    """Write latents in NumPy's format, version 1.0."""
    buffer = BytesIO()
    np.save(buffer, latents, allow_pickle=False)
    return buffer.getvalue()


def digest_of(body: bytes) -> str:
    """Return the SHA-256 of what is stored, in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def unpack(body: bytes, *, shape: tuple[int, ...]) -> NDArray[np.float16]:
    """Read what `pack` wrote.

    Args:
        body: The object's bytes.
        shape: The latents' (channels, height, width), as the row needs them.

    Raises:
        DamagedLatentsError: They are of another shape or type, or no numbers.
    """
    try:
        latents = np.load(BytesIO(body), allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DamagedLatentsError(f"they are no array ({error})") from error
    if not isinstance(latents, np.ndarray) or latents.dtype != np.float16:
        raise DamagedLatentsError("they are no FP16 numbers")
    if latents.shape != shape:
        raise DamagedLatentsError(f"their shape is {latents.shape}, not {shape}")
    if not np.isfinite(latents).all():
        raise DamagedLatentsError("some of them are infinite or no numbers")
    return latents
