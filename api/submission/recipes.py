"""Recipes in requests: checked when they are stored, put under a request's own fields when used."""

from collections.abc import Mapping
from typing import Any, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlmodel import Session

from api.models import Models
from api.schemas.recipes import RecipePage, RecipeRequest, RecipeView
from api.schemas.requests import BatchFields, JobRequest, SheetFields
from api.submission.modes import check_fields, mode_of, without_size
from api.views.cursors import read_cursor, write_cursor
from catalogue.finishes import read_finish
from catalogue.issues import Issues
from catalogue.models import check_model
from catalogue.prompts.expressions import TemplateProblemError
from catalogue.prompts.templates import PromptTemplate
from catalogue.validate import check_parameters
from core import recipes
from core.db.models import Recipe
from core.domain.photograph_spec import ImageMode
from core.errors import InvalidRequestError, NotFoundError
from core.recipes import Reference, find_recipe, written

LARGEST_OF_JAVASCRIPT = 2**53 - 1

_OTHERWISE = {"source"}
"""Fields of a job that mean something else in a recipe, as in a sheet: whose export it is."""

OF_PRESETS = ("steps", "guidance_scale", "guidance_start", "guidance_end", "scheduler")
"""Fields that a preset stands for."""

F = TypeVar("F", BatchFields, JobRequest)


def add_recipe(
    session: Session, tenant: str, request: RecipeRequest, models: Models
) -> tuple[RecipeView, bool]:
    """Check a recipe and store it as its next version, unless its newest says the same.

    Raises:
        InvalidRequestError: naming every field that cannot be used.
    """
    fields = request.fields.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    if not fields:
        raise InvalidRequestError("The recipe is empty: set at least one of `fields`.")
    _check(request.fields, models)
    recipe, is_new = recipes.add_version(session, tenant, request.name, fields, request.note)
    return view_recipe(recipe), is_new


def use_recipe(session: Session, tenant: str, request: F) -> tuple[F, str | None]:
    """Put a request's recipe under its own fields.

    What the request says itself wins, even where it says null: that lifts the recipe's value.

    Returns:
        The request with the recipe's values, and the recipe's `name@version`; the request as it
        is and None when it names none.

    Raises:
        NotFoundError: The tenant has no such recipe.
        RequestValidationError: The recipe says something that this version does not take.
    """
    if request.recipe is None:
        return request, None
    recipe = find_recipe(session, tenant, Reference.parse(request.recipe))
    kind = type(request)
    known = kind.model_fields.keys() - (_OTHERWISE if kind is JobRequest else set())
    taken = {name: value for name, value in recipe.fields.items() if name in known}
    own = {name: getattr(request, name) for name in request.model_fields_set}
    if own.get("preset"):
        # It stands for these, and the request wins over its recipe.
        taken = {name: value for name, value in taken.items() if name not in OF_PRESETS}
    try:
        return kind.model_validate(taken | own), written(recipe)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


def list_recipes(session: Session, tenant: str, *, cursor: str | None, limit: int) -> RecipePage:
    """Return one page of a tenant's recipes by name, each in its newest version."""
    after = read_cursor(cursor, _name)
    found = recipes.list_newest(session, tenant, after=after, limit=limit + 1)
    page = found[:limit]
    return RecipePage(
        items=[view_recipe(one) for one in page],
        next=write_cursor(page[-1].name) if len(found) > limit else None,
    )


def list_versions(
    session: Session, tenant: str, name: str, *, cursor: str | None, limit: int
) -> RecipePage:
    """Return one page of a recipe's versions, newest first.

    Raises:
        NotFoundError: The tenant has no such recipe.
    """
    before = read_cursor(cursor, int)
    found = recipes.list_versions(session, tenant, name, before=before, limit=limit + 1)
    if not found and before is None:
        raise NotFoundError(f"There is no recipe {name!r} here. GET /v1/recipes lists them.")
    page = found[:limit]
    return RecipePage(
        items=[view_recipe(one) for one in page],
        next=write_cursor(page[-1].version) if len(found) > limit else None,
    )


def view_recipe(recipe: Recipe) -> RecipeView:
    """Write one version."""
    return RecipeView(
        name=recipe.name,
        version=recipe.version,
        reference=written(recipe),
        note=recipe.note,
        fields=_for_javascript(recipe.fields),
        created_at=recipe.created_at,
    )


def _for_javascript(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Write a seed that JavaScript would round as text, which requests take too."""
    seed = fields.get("seed")
    large = isinstance(seed, int) and seed > LARGEST_OF_JAVASCRIPT
    return {**fields, "seed": str(seed)} if large else fields


def recipe_path(recipe: RecipeView) -> str:
    """Return the path of a version."""
    return f"/v1/recipes/{recipe.name}/versions/{recipe.version}"


def _name(text: str) -> str:
    return Reference.parse(text).name


def _check(fields: SheetFields, models: Models) -> None:
    issues = _check_parameters(fields, models)
    for column in ("template", "file_name"):
        template = getattr(fields, column)
        try:
            PromptTemplate(template or "")
        except TemplateProblemError as error:
            issues.add(str(error), column=column)
    if issues:
        named = "; ".join(f"{issue.column}: {issue.message}" for issue in issues)
        raise InvalidRequestError(
            f"The recipe cannot be used: {named}", errors=list(issues.documents())
        )


def _check_parameters(fields: SheetFields, models: Models) -> Issues:
    """Check values against the recipe's model; without one, some model has to take them."""
    found = Issues()
    check_fields(fields, found)
    mode = mode_of(fields)
    if mode is not ImageMode.TEXT:
        read_finish(fields.model_dump(), found, mode)
        if mode is ImageMode.CUTOUT:
            return found
        if mode is ImageMode.SCENE:
            fields = without_size(fields)
    if found:
        return found
    if fields.model and (reason := check_model(fields.model, models)):
        found.add(reason, column="model")
        return found
    for name in [fields.model] if fields.model else models:
        _, issues = check_parameters(fields.parameters(), models[name].limits)
        if not issues:
            return issues
        # Of the first: the others need not be tried by whoever names none.
        found = found or issues
    return found
