"""A prompt's embedding as the index compares it."""

import numpy as np
from numpy.typing import NDArray

from core.db.models.approximate import EMBEDDING_WIDTH
from worker.model import Array


def pool(states: Array, end: int) -> NDArray[np.float32]:
    """Reduce the text encoder's states to one direction.

    CLIP's own pooling: the last hidden state at the text's end token, of length 1; features that
    the text encoder does not have are zeros. Other ways were measured: docs/decisions/0012.

    Args:
        states: (tokens, features), float32.
        end: Place of the end token.

    Returns:
        (EMBEDDING_WIDTH,), float32.

    Raises:
        ValueError: The states have more features than the index has room for, or no direction.
    """
    state = states[end]
    if state.size > EMBEDDING_WIDTH:
        raise ValueError(f"{state.size} features are more than the index's {EMBEDDING_WIDTH}")
    length = float(np.linalg.norm(state))
    if not np.isfinite(length) or length == 0:
        raise ValueError("the text's states have no direction")
    direction = np.zeros(EMBEDDING_WIDTH, np.float32)
    direction[: state.size] = state / length
    return direction
