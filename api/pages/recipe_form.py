"""The form of a recipe: what people set most, and the rest as JSON."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError, create_model

from api.problems import describe
from api.schemas.recipes import RecipeRequest
from core.errors import InvalidRequestError

NAMED = (
    "mode", "template", "negative_prompt", "model", "preset", "steps", "guidance_scale",
    "scheduler", "width", "height", "variants", "channels", "background",
)  # fmt: skip
"""Fields of `SheetFields` that have an input of their own."""


_TYPED: dict[str, Any] = dict.fromkeys(NAMED, (str, ""))


class RecipeForm(create_model("NamedInputs", **_TYPED)):  # type: ignore[misc]
    """What was typed, as it was typed: also one text for each of `NAMED`."""

    name: str = ""
    note: str = ""
    more: str = ""
    """The other fields, as a JSON object."""

    def request(self) -> RecipeRequest:
        """Return what the API is sent for the same recipe.

        Raises:
            InvalidRequestError: naming every field that cannot be used.
        """
        values = self.model_dump(include=set(NAMED))
        typed = {name: one.strip() for name, one in values.items() if one.strip()}
        wanted = {"name": self.name.strip(), "note": self.note, "fields": self._more() | typed}
        try:
            return RecipeRequest.model_validate(wanted)
        except ValidationError as error:
            issues = [describe(one) for one in error.errors(include_url=False)]
            named = [
                f"{(one['column'] or 'recipe').removeprefix('fields.')}: {one['message']}"
                for one in issues
            ]
            raise InvalidRequestError(" ".join(named), errors=issues) from error

    def _more(self) -> dict[str, Any]:
        if not self.more.strip():
            return {}
        try:
            found = json.loads(self.more)
        except ValueError as error:
            raise InvalidRequestError(f"Other fields: this is no JSON ({error}).") from error
        if not isinstance(found, dict):
            raise InvalidRequestError(
                'Other fields: write a JSON object, such as {"seed": "per_sku"}.'
            )
        return found

    @classmethod
    def of(cls, name: str, fields: Mapping[str, Any]) -> "RecipeForm":
        """Fill the form with a version's fields."""
        values = {one: _typed(fields[one]) for one in NAMED if fields.get(one) is not None}
        rest = {one: value for one, value in fields.items() if one not in NAMED}
        more = json.dumps(rest, indent=2, ensure_ascii=False) if rest else ""
        return cls(name=name, more=more, **values)


def _typed(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
