"""What a watermark says, and the keyed waves that say it.

A mark is a pattern that repeats over the picture: a sum of waves of middle lengths, whose phases a
key decides. Some of the energy is a pilot, the same in every picture of a key, by which a mark is
found; the rest is one code word of 256 for each byte of the payload.
"""

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Self

import numpy as np
import numpy.typing as npt

Waves = npt.NDArray[np.complex64]
"""(len(ACROSS),): amplitude and phase of each wave."""

PERIODS = 128
"""Pixels after which the pattern repeats, in a picture whose shorter side is at most `SIDE`."""
SIDE = 512
LONGEST, SHORTEST = 6, 18
"""Waves in each repetition: their lengths are 21 to 7 pixels of 512, which half of the size and a
JPEG of quality 70 leave, and photographs are not full of."""
PILOT = 0.4
"""Share of the energy by which a mark is found; the payload has the rest."""
VERSION = 1
_CHECK_BYTES = 2
PAYLOAD_BYTES = 8


class Kind(IntEnum):
    """How much of an image a machine drew."""

    GENERATED = 1
    """All of it."""
    COMPOSED = 2
    """What is around a photograph's product, or a part of a photograph."""


@dataclass(frozen=True, kw_only=True)
class Payload:
    """What a mark says."""

    kind: Kind
    reference: str
    """The first ten hexadecimal digits of the image's fingerprint, which lead to its job."""

    def to_bytes(self, key: bytes) -> bytes:
        """Return its 8 bytes: version and kind, 40 bits of reference, 16 bits of check."""
        body = bytes([VERSION << 4 | self.kind]) + bytes.fromhex(self.reference[:10])
        return body + _check(body, key)

    @classmethod
    def from_bytes(cls, body: bytes, key: bytes) -> Self | None:
        """Read it; None: the bytes are not those of a payload."""
        told, check = body[:-_CHECK_BYTES], body[-_CHECK_BYTES:]
        if check != _check(told, key) or told[0] >> 4 != VERSION or told[0] & 15 not in _KINDS:
            return None
        return cls(kind=Kind(told[0] & 15), reference=told[1:].hex())


_KINDS = frozenset(Kind)


def _check(body: bytes, key: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_CHECK_BYTES, key=key).digest()


def _wave_numbers() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Choose the waves: half of a ring, as the other half of a real picture's spectrum follows."""
    numbers = np.arange(-SHORTEST, SHORTEST + 1)
    down, across = np.meshgrid(numbers, numbers, indexing="ij")
    length = np.hypot(down, across)
    ring = (length >= LONGEST) & (length <= SHORTEST)
    half = ring & ((across > 0) | ((across == 0) & (down > 0)))
    return down[half], across[half]


DOWN, ACROSS = _wave_numbers()
"""How often each wave repeats in `PERIODS` pixels, downwards and sideways."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CodeBook:
    """The waves of a key, each of amplitude 1 and one of four phases."""

    pilot: Waves
    words: npt.NDArray[np.complex64]
    """(8, 256, waves): a word for each byte of a payload and each value of it."""

    def waves(self, payload: bytes) -> Waves:
        """Return the waves of a mark."""
        told = self.words[np.arange(PAYLOAD_BYTES), np.frombuffer(payload, np.uint8)].sum(axis=0)
        share = np.float32(((1 - PILOT) / PAYLOAD_BYTES) ** 0.5)
        return np.asarray(np.float32(PILOT**0.5) * self.pilot + share * told, np.complex64)


@lru_cache(maxsize=4)
def code_book(key: bytes) -> CodeBook:
    """Make a key's waves: an expandable hash of it, so that no library's update changes them."""
    count = (1 + PAYLOAD_BYTES * 256) * len(DOWN)
    stream = hashlib.shake_256(key).digest(-(-count // 4))
    packed = np.frombuffer(stream, np.uint8)
    quarters = np.stack([packed >> shift & 3 for shift in (0, 2, 4, 6)], axis=-1)
    phases = np.array([1, 1j, -1, -1j], np.complex64)[quarters.reshape(-1)[:count]]
    rows = phases.reshape(-1, len(DOWN))
    return CodeBook(pilot=rows[0], words=rows[1:].reshape(PAYLOAD_BYTES, 256, -1))
