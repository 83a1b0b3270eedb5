"""How far a quantised UNet is from the one it was made from."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov

from modelkit.progress import Progress
from modelkit.quantise.trajectories import Call, compile_exactly

SILENT_DB = 200.0
"""What stands for no noise at all: FP32 has no more than 150 dB between its largest and its least
significant bit."""


class Yardstick:
    """What the floating-point UNet predicts on calls that nothing is calibrated on."""

    def __init__(
        self, model: ov.Model, calls: Sequence[Call], *, guidance_scale: float, say: Progress
    ) -> None:
        """Run the floating-point UNet.

        Args:
            model: The UNet.
            calls: The inputs to measure on; those of two rows are without and with the prompt.
            guidance_scale: Classifier-free guidance that their predictions are joined with.
            say: Advanced by one with each call.
        """
        self._calls = list(calls)
        self._guidance_scale = guidance_scale
        self._wanted = self._predict(model, say)

    def __len__(self) -> int:
        """Return the number of calls that a measurement takes."""
        return len(self._calls)

    def measure(self, model: ov.Model, say: Progress) -> float:
        """Return the signal-to-noise ratio of a UNet's guided predictions, in dB.

        The noise is what it differs by from the floating-point UNet; both powers are summed over
        all calls. Guidance counts because it multiplies what the two rows differ by.
        """
        noise = signal = 0.0
        for seen, wanted in zip(self._predict(model, say), self._wanted, strict=True):
            noise += float(np.sum((seen - wanted) ** 2, dtype=np.float64))
            signal += float(np.sum(wanted**2, dtype=np.float64))
        return min(SILENT_DB, float(10 * np.log10(signal / noise))) if noise else SILENT_DB

    def _predict(self, model: ov.Model, say: Progress) -> list[npt.NDArray[Any]]:
        request = compile_exactly(model).create_infer_request()
        predictions = []
        for call in self._calls:
            request.infer(call)
            predictions.append(self._guided(request.get_output_tensor(0).data))
            say.advance()
        return predictions

    def _guided(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if len(rows) == 1:
            return rows.copy()
        without, with_prompt = rows
        return np.asarray(without + self._guidance_scale * (with_prompt - without))
