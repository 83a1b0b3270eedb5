"""A worker whose free model does what prompts tell it, for tests: fail, fail once, or be slow."""

import sys
import time
from collections.abc import Sequence

import numpy as np

from benchmarks.free_model import FreeModel
from worker.main import main
from worker.model import Array


class FragileModel(FreeModel):
    def __init__(self) -> None:
        self.failed: set[str] = set()

    def encode(self, texts: Sequence[str]) -> Array:
        for text in texts:
            if "broken" in text or ("flaky" in text and text not in self.failed):
                self.failed.add(text)
                raise ValueError(f"cannot draw {text}")
        states = super().encode(texts)
        states[["slow" in text for text in texts]] = 1
        return states

    def predict(self, samples: Array, timesteps: object, states: Array, *_: object) -> Array:
        if np.any(states):
            time.sleep(0.05)
        return samples


if __name__ == "__main__":
    sys.exit(main(lambda *_: FragileModel()))
