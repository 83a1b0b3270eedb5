"""Runs the segmentation network that finds products in front of anything."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import structlog

from catalogue.cutouts.model import Alpha, Rgb
from catalogue.cutouts.segmentation import Input
from core.errors import BundleError, last_line
from core.settings import Settings
from worker.metrics import NETWORK_USABLE
from worker.segmentation.record import (
    FILE_NAME,
    SHIPPED,
    SegmentationRecord,
    load_network_record,
)

log = structlog.get_logger(__name__)


def open_segmenter(settings: Settings) -> "OpenVinoSegmenter | None":
    """Compile the network that settings name, else the shipped one; None: there is neither.

    Raises:
        BundleError: It cannot be used.
    """
    if settings.cutout_network:
        return OpenVinoSegmenter(Path(settings.cutout_network).expanduser())
    return OpenVinoSegmenter(SHIPPED) if (SHIPPED / FILE_NAME).is_file() else None


def open_usable_segmenter(settings: Settings) -> "OpenVinoSegmenter | None":
    """Open the network as `open_segmenter` does; None, and an error in the log: it cannot be used.

    Products before plain backdrops, and all images of text, need none.
    """
    try:
        found = open_segmenter(settings)
    except BundleError as error:
        NETWORK_USABLE.set(0)
        log.error(
            "no network for cut-outs: photographs of rooms give none until this is mended and the "
            "worker started again",
            reason=error.detail,
        )
        return None
    NETWORK_USABLE.set(1 if found else 0)
    return found


class OpenVinoSegmenter:
    """A `Segmenter` of one network; several threads may ask it at the same time."""

    def __init__(self, folder: Path, *, threads: int = 1, device: str = "CPU") -> None:
        """Compile a network.

        Args:
            folder: As `packshot cutout add` makes it, or the shipped one.
            threads: Of one call.
            device: OpenVINO's name of it.

        Raises:
            BundleError: The folder holds no network, another one than was added, or one that
                OpenVINO cannot compile.
        """
        self.record: SegmentationRecord = load_network_record(folder)
        self._layout = self.record.layout
        core = ov.Core()
        properties = {"PERFORMANCE_HINT": "LATENCY"}
        if device == "CPU":
            # FP16 is how weights are kept; which CPU computes in what must not change a cut-out.
            properties |= {"INFERENCE_NUM_THREADS": str(threads), "INFERENCE_PRECISION_HINT": "f32"}
        try:
            model = core.read_model(folder / self.record.file)
            side = self._layout.side
            model.reshape([1, 3, side, side])
            self._compiled = core.compile_model(model, device, properties)
        except RuntimeError as error:
            raise BundleError(
                f"{folder / self.record.file} cannot be used on {device} ({last_line(error)}). "
                "Check that it is a whole ONNX or OpenVINO file, and add it again with "
                "`packshot cutout add FILE`."
            ) from error

    @property
    def fingerprint(self) -> str:
        """Return what tells its masks from another network's: 16 hex digits."""
        return hashlib.sha256(self.record.model_dump_json().encode()).hexdigest()[:16]

    def segment(self, pixels: Rgb) -> Alpha:
        """Return 255 where the product is, at the photograph's size."""
        prepared = self._layout.prepare(pixels)
        output = self._run(prepared)
        if self._layout.mirrored:
            # What it is unsure of it sees differently in a mirror, so the mean is half-transparent
            # there, which judging takes for unsure.
            output = (output + self._run(prepared[..., ::-1])[..., ::-1]) / 2
        return self._layout.finish(output, (pixels.shape[1], pixels.shape[0]))

    def _run(self, prepared: Input) -> Any:
        request = self._compiled.create_infer_request()
        request.infer([np.ascontiguousarray(prepared)])
        outputs = self._compiled.outputs
        return np.array(request.get_tensor(outputs[self.record.output]).data, np.float32)
