"""Model."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, PositiveInt, ValidationInfo, field_validator
from pydantic_settings import NoDecode

ONLY_MODEL = "default"
"""The name of the model in `PACKSHOT_BUNDLE`, where there is no `PACKSHOT_MODELS`."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class ModelSettings(BaseModel):
    """The model bundles, and how they are run."""

    bundle: Path = Field(
        default=Path(".packshot/bundles/starter"),
        description="Folder of the model bundle that API and workers use. `PACKSHOT_MODELS` takes "
        "its place if it is set.",
    )
    # The default is no mapping: it is written as people write it, and read like that.
    models: Annotated[Mapping[str, Path], NoDecode] = Field(
        default="",
        validate_default=True,
        description="Models by name, for example "
        "starter=/models/starter,catalogue=/models/our-lora. Requests that name none get the "
        "first. Leave it empty to serve `PACKSHOT_BUNDLE` alone, as default.",
    )
    # The same.
    inpainting_models: Annotated[Mapping[str, str], NoDecode] = Field(
        default="",
        validate_default=True,
        description="Which model draws in the place of another one where a mask says what may "
        "change: edits with a mask, and blends. For example starter=inpaint; both are names in "
        "PACKSHOT_MODELS, and the second one's bundle is made of a model that inpaints. Leave it "
        "empty to have each model draw them itself.",
    )
    cutout_network: str = Field(
        default="",
        description="Folder of the network that cuts products out of rooms, as `packshot cutout "
        "add` prints it. Leave it empty for the one that packshot brings.",
    )
    device: str = Field(default="CPU", description="OpenVINO device that runs the model.")
    inference_precision: Literal["auto", "f32", "bf16"] = Field(
        default="auto",
        description="Precision of the UNet and the decoder: auto, f32 or bf16. auto is f32 for a "
        "bundle built as fp32, bf16 for one built as that if the CPU has it, and otherwise the "
        "faster of those whose output is near to f32's, of each of the two, as measured at the "
        "first start or by `packshot tune`.",
    )
    inference_threads: int = Field(
        default=0,
        ge=0,
        description="Number of threads of the UNet. 0 lets OpenVINO choose, within a container's "
        "CPU quota.",
    )
    inference_streams: PositiveInt = Field(
        default=1,
        description="Number of UNet calls that run at the same time. `packshot tune` measures how "
        "many are fastest.",
    )
    inference_pinning: bool = Field(
        default=True,
        description="Whether OpenVINO may bind its threads to cores. Set it to false if several "
        "workers share cores.",
    )
    decode_tile: int = Field(
        default=1024,
        ge=0,
        multiple_of=64,
        description="Side in pixels of the tiles in which larger images are decoded. Lower it if "
        "decoding takes too much memory; 0 turns tiles off.",
    )

    @field_validator("models", mode="before")
    @classmethod
    def _read_models(cls, value: Any, info: ValidationInfo) -> Mapping[str, Path]:
        """Read `name=folder,name=folder`; without any there is the one in `bundle`.

        Raises:
            ValueError: A part is none, or a name cannot be used or comes twice.
        """
        parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else None
        pairs = value.items() if parts is None else map(_pair, filter(None, parts))
        models: dict[str, Path] = {}
        for name, folder in pairs:
            if not _NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r} cannot be a model's name: it must begin with a lower-case letter or "
                    "digit, and have at most 64 of them, dots, dashes and underscores."
                )
            if name in models:
                raise ValueError(f"Two models are called {name!r}. Give each a name of its own.")
            models[name] = Path(folder).expanduser()
        # Without a bundle that one cannot be used itself, which is said.
        bundle = info.data.get("bundle")
        return models or ({ONLY_MODEL: bundle.expanduser()} if bundle else {})

    @field_validator("inpainting_models", mode="before")
    @classmethod
    def _read_inpainting_models(cls, value: Any, info: ValidationInfo) -> Mapping[str, str]:
        """Read `name=name,name=name`.

        Raises:
            ValueError: A part is none, or there is no model of a name.
        """
        parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else None
        pairs = dict(
            value.items()
            if parts is None
            else (_pair(part, "two models' names", "starter=inpaint") for part in parts if part)
        )
        models = info.data.get("models")
        if models is None:  # not usable itself, which is said
            return {}
        for name in (*pairs, *pairs.values()):
            if name not in models:
                raise ValueError(
                    f"There is no model {name!r}: name those of PACKSHOT_MODELS "
                    f"({', '.join(models)})."
                )
        return pairs


def _pair(
    part: str, what: str = "a model's name and folder", example: str = "starter=/models/starter"
) -> tuple[str, str]:
    name, equals, other = (text.strip() for text in part.partition("="))
    if not equals or not other:
        raise ValueError(f"{part!r} is not {what}: write {example}, with commas between several.")
    return name, other
