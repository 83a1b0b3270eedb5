"""What requests say of images that are made again."""

from typing import Annotated

from pydantic import Field

from api.schemas.parameters import Line, Prompt, Seed, Text, describe
from api.schemas.strict import StrictModel
from catalogue.checks import LARGEST_GUIDANCE, LONGEST_PROMPT


class RedoRequest(StrictModel):
    """What is different in the image that is made; all else stays as it was."""

    seed: Seed | None = Field(
        None, description="Without one, another seed than those that the row's images had."
    )
    prompt: Prompt | None = Field(None, description=describe("prompt"))
    negative_prompt: (
        Annotated[Text, Field(json_schema_extra={"maxLength": LONGEST_PROMPT})] | None
    ) = Field(None, description=describe("negative_prompt"))
    preset: Line | None = Field(
        None,
        max_length=64,
        description="Steps, guidance scale and scheduler as measured for the model; what the "
        "request names of these itself wins.",
    )
    steps: Annotated[int, Field(json_schema_extra={"minimum": 1})] | None = Field(
        None, description=describe("steps")
    )
    guidance_scale: (
        Annotated[float, Field(json_schema_extra={"minimum": 0, "maximum": LARGEST_GUIDANCE})]
        | None
    ) = Field(None, description=describe("guidance_scale"))
    scheduler: Line | None = Field(None, description=describe("scheduler"))
