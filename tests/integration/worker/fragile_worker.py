"""A worker whose free model does what prompts tell it, for tests: fail, fail once, or be slow."""

import sys
import time
from collections.abc import Sequence

import numpy as np

from benchmarks.free_model import FreeModel
from worker.main import main
from worker.model import HIDDEN_STATES, Array, Conditioning, Features, StepInputs


class FragileModel(FreeModel):
    def __init__(self) -> None:
        self.failed: set[str] = set()

    def encode(self, texts: Sequence[str]) -> list[Conditioning]:
        for text in texts:
            if "broken" in text or ("flaky" in text and text not in self.failed):
                self.failed.add(text)
                raise ValueError(f"cannot draw {text}")
        return [
            {name: array + ("slow" in text) for name, array in one.items()}
            for text, one in zip(texts, super().encode(texts), strict=True)
        ]

    def predict(self, inputs: StepInputs) -> tuple[Array, list[Features]]:
        if np.any(inputs.conditioning[HIDDEN_STATES]):
            time.sleep(0.05)
        return super().predict(inputs)


if __name__ == "__main__":
    sys.exit(main(lambda *_: FragileModel()))
