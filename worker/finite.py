"""Numbers that became infinite, or none at all, must never pass for an image."""

import numpy as np

from worker.model import Array


class ImpossibleError(Exception):
    """What a row asks for cannot be computed, however often it is tried."""


class NotFiniteError(ImpossibleError):
    """The model gave infinite numbers, or none: it overflowed, or its weights are damaged."""

    def __init__(self, what: str, precision: str) -> None:
        """Name the stage in the message.

        Args:
            what: What is not finite, as the subject of a sentence.
            precision: What it was computed in, as OpenVINO calls it.
        """
        advice = "" if precision == "f32" else "; PACKSHOT_INFERENCE_PRECISION=f32 may help"
        super().__init__(f"{what} is not finite (NaN or overflow, computed in {precision}){advice}")


def check_finite(what: str, *arrays: Array, precision: str) -> None:
    """Check that a model's numbers are finite.

    Args:
        what: What they are, as the subject of a sentence.
        arrays: The numbers.
        precision: What they were computed in.

    Raises:
        NotFiniteError: Some of them are infinite or no numbers.
    """
    if not all(np.isfinite(array).all() for array in arrays):
        raise NotFiniteError(what, precision)
