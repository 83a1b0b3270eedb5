"""Model."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, PositiveInt


class ModelSettings(BaseModel):
    """The model bundle, and how it is run."""

    bundle: Path = Field(
        default=Path(".packshot/bundles/starter"),
        description="Folder of the model bundle that API and workers use.",
    )
    device: str = Field(default="CPU", description="OpenVINO device that runs the model.")
    inference_precision: Literal["auto", "f32", "bf16"] = Field(
        default="auto",
        description="What the UNet and the decoder are computed in; auto is f32 for a bundle built "
        "as fp32, bf16 for one built as that where the CPU has it, else the faster of those whose "
        "output is near to f32's, as measured at the first start.",
    )
    inference_threads: int = Field(
        default=0,
        ge=0,
        description="Threads of the UNet; 0 lets OpenVINO choose, within a container's CPU quota.",
    )
    inference_streams: PositiveInt = Field(
        default=1, description="UNet calls that run at the same time."
    )
    inference_pinning: bool = Field(
        default=True,
        description="Whether OpenVINO binds threads to cores; not where workers share them.",
    )
    decode_tile: int = Field(
        default=768,
        ge=0,
        multiple_of=64,
        description="Larger images are decoded in tiles of this side, in pixels; 0 never.",
    )
