"""The JSON of recipes."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import Path
from pydantic import BaseModel, Field

from api.schemas.parameters import Line
from api.schemas.requests import SheetFields
from api.schemas.strict import StrictModel
from core.recipes import NAME

RecipeName = Annotated[
    str, Path(pattern=rf"^{NAME}$", max_length=100, description="The recipe's name.")
]


class RecipeRequest(StrictModel):
    """A recipe's next version."""

    name: str = Field(
        pattern=rf"^{NAME}$",
        max_length=100,
        description="Lower-case letters, digits, dots, dashes and underscores.",
    )
    note: Line = Field("", max_length=500, description="What changed, for people.")
    fields: SheetFields = Field(description="What it says; a request's own fields win over it.")


class RecipeView(BaseModel):
    """One version of a recipe; it never changes."""

    name: str
    version: int
    reference: str = Field(description="`name@version`, as requests name it.")
    note: str
    fields: dict[str, Any] = Field(description="What it says.")
    created_at: datetime


class RecipePage(BaseModel):
    """Some recipes, or versions of one."""

    items: list[RecipeView]
    next: str | None = Field(description="Cursor of the page that follows; null on the last.")
