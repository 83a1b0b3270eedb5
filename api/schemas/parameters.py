"""What decides an image, in JSON: a field of each field of `core.domain.image_spec.ImageSpec`."""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    WithJsonSchema,
    computed_field,
    create_model,
)

from catalogue.checks import (
    LARGEST_GUIDANCE,
    LARGEST_SEED,
    LONGEST_PROMPT,
    check_line,
    check_text,
)
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


Text = Annotated[str, AfterValidator(_text), Field(json_schema_extra={"pattern": r"^[^\u0000]*$"})]
Line = Annotated[
    str,
    AfterValidator(_line),
    Field(json_schema_extra={"pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$"}),
]
Prompt = Annotated[
    Text, Field(json_schema_extra={"minLength": 1, "maxLength": LONGEST_PROMPT, "pattern": r"\S"})
]
Seed = Annotated[
    int | SeedRule,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": LARGEST_SEED},
                {"type": "string", "pattern": r"^[0-9]{1,19}$", "description": "The same as text."},
                {"type": "string", "enum": list(SeedRule)},
            ]
        }
    ),
]
"""Text too: JavaScript has no whole numbers above 2**53."""


class _SeedText(BaseModel):
    seed: int

    @computed_field(  # type: ignore[prop-decorator]
        description="The seed as text: JavaScript rounds numbers above 2**53."
    )
    @property
    def seed_text(self) -> str:
        """Return all its digits."""
        return str(self.seed)


def _bounded(kind: Any, **schema: Any) -> Any:
    """Describe bounds that the catalogue checks, with reasons that name what the model takes."""
    return Annotated[kind, Field(json_schema_extra=schema)]


if TYPE_CHECKING:

    class RequestedParameters(BaseModel):
        """What a request may say about its images; the model's defaults fill the rest."""

    class RedoneParameters(BaseModel):
        """What is said anew of an image that is made again."""

        seed: Seed | None = None

    class DecidedParameters(_SeedText):
        """What decided an image, its seed included."""

    class ModelDefaults(BaseModel):
        """What an image has that a request does not say otherwise."""
else:
    _REQUESTED = {
        "seed": Seed,
        "scheduler": Line,
        "negative_prompt": _bounded(Text, maxLength=LONGEST_PROMPT),
        "width": _bounded(int, minimum=8, multipleOf=8),
        "height": _bounded(int, minimum=8, multipleOf=8),
        "steps": _bounded(int, minimum=1),
        "guidance_scale": _bounded(float, minimum=0, maximum=LARGEST_GUIDANCE),
        **dict.fromkeys(("guidance_start", "guidance_end"), _bounded(float, minimum=0, maximum=1)),
    }
    _FIELDS = {
        name: (
            _REQUESTED.get(name, Text if one.type is str else one.type) | None,
            Field(None, description=describe(name)),
        )
        for name, one in PARAMETERS.items()
        # A job names it, a sheet has it in its rows.
        if name != "prompt"
    }
    RequestedParameters = create_model("RequestedParameters", **_FIELDS)
    RedoneParameters = create_model(
        "RedoneParameters",
        # Size and model stay those of the place that the image is for.
        **{name: one for name, one in _FIELDS.items() if name not in ("width", "height")},
    )
    DecidedParameters = create_model(
        "DecidedParameters",
        __base__=_SeedText,
        **{name: (int if name == "seed" else one.type, ...) for name, one in PARAMETERS.items()},
    )
    ModelDefaults = create_model(
        "ModelDefaults",
        __doc__="What an image has that a request does not say otherwise.",
        **{
            name: (one.type, Field(description=describe(name)))
            for name, one in PARAMETERS.items()
            if name not in ("prompt", "seed")
        },
    )
