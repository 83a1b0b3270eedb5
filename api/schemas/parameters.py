"""What decides an image, in JSON: a field of each field of `core.domain.image_spec.ImageSpec`."""

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, Field, create_model

from catalogue.checks import check_line, check_text
from core.domain.image_spec import PARAMETERS
from core.domain.seeds import SeedRule


def describe(name: str) -> str:
    """Return what the API's schema says of a parameter."""
    description: str = PARAMETERS[name].metadata["description"]
    return description


def _text(value: str) -> str:
    if reason := check_text(value):
        raise ValueError(reason)
    return value


def _line(value: str) -> str:
    if reason := check_line(value):
        raise ValueError(reason)
    return value.strip()


Text = Annotated[str, AfterValidator(_text)]
Line = Annotated[str, AfterValidator(_line)]

if TYPE_CHECKING:

    class RequestedParameters(BaseModel):
        """What a request may say about its images; the model's defaults fill the rest."""

    class DecidedParameters(BaseModel):
        """What decided an image, its seed included."""
else:
    _REQUESTED = {"seed": int | SeedRule, "scheduler": Line}
    RequestedParameters = create_model(
        "RequestedParameters",
        **{
            name: (
                _REQUESTED.get(name, Text if one.type is str else one.type) | None,
                Field(None, description=describe(name)),
            )
            for name, one in PARAMETERS.items()
            # A job names it, a sheet has it in its rows.
            if name != "prompt"
        },
    )
    DecidedParameters = create_model(
        "DecidedParameters",
        **{name: (int if name == "seed" else one.type, ...) for name, one in PARAMETERS.items()},
    )
