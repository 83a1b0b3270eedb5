"""What requests say of images that are made again."""

from pydantic import Field

from api.schemas.parameters import Line, Prompt, RedoneParameters, describe
from api.schemas.strict import StrictModel


class RedoRequest(RedoneParameters, StrictModel):
    """What is different in the image that is made; all else stays as it was.

    Without a seed it is made with another one than those that the row's images had.
    """

    prompt: Prompt | None = Field(None, description=describe("prompt"))
    preset: Line | None = Field(
        None,
        max_length=64,
        description="Steps, guidance scale and scheduler as measured for the model; what the "
        "request names of these itself wins.",
    )
