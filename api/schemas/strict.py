"""What every request's JSON has in common: a field that is not known is refused, and named."""

from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from catalogue.names import suggestion


class StrictModel(BaseModel):
    """A part of a request."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="wrap")
    @classmethod
    def _name_the_nearest(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(value)
        except ValidationError as error:
            details = [cls._detail(one) for one in error.errors(include_url=False)]
            raise ValidationError.from_exception_data(error.title, details) from None

    @classmethod
    def _detail(cls, error: Any) -> InitErrorDetails:
        kind, message = error["type"], error["msg"].removeprefix("Value error, ")
        # What a model inside this one refused has its place in it, and was named there.
        if kind == "extra_forbidden" and len(error["loc"]) == 1:
            message = f"There is no such field.{suggestion(error['loc'][0], cls.model_fields)}"
        if kind == "model_type":
            message = "It must be a JSON object."
        # The type may be one of our own, which only this class knows to repeat.
        problem = PydanticCustomError(kind, message)
        return InitErrorDetails(type=problem, loc=error["loc"], input=error["input"])
