"""Recipes: presets with a name and versions, for sheets and single images."""

from typing import Annotated

from fastapi import Depends, Response
from fastapi import Path as PathParameter

from api.dependencies import ServicesNow, SessionNow, Submitter, Tenant, get_caller
from api.description import LOCATION
from api.problems import problems
from api.routing.strict_route import Router
from api.routing.transaction_route import TransactionRoute
from api.schemas.recipes import RecipeName, RecipePage, RecipeRequest, RecipeView
from api.submission import recipes
from api.views.cursors import Cursor, Limit
from core.errors import NotFoundError
from core.recipes import Reference, delete_recipe, find_recipe

router = Router(
    route_class=TransactionRoute,
    prefix="/v1/recipes",
    tags=["Recipes"],
    dependencies=[Depends(get_caller)],
)


@router.post(
    "",
    operation_id="add_recipe",
    status_code=201,
    responses={
        200: {"model": RecipeView, "description": "Its newest version says the same already."},
        201: LOCATION,
    },
)
def post_recipe(
    request: RecipeRequest,
    caller: Submitter,
    services: ServicesNow,
    session: SessionNow,
    response: Response,
) -> RecipeView:
    """Store a recipe, as the next version of its name."""
    recipe, is_new = recipes.add_recipe(session, caller.tenant, request, services.models)
    response.headers["Location"] = recipes.recipe_path(recipe)
    if not is_new:
        response.status_code = 200
    return recipe


@router.get("", operation_id="list_recipes")
def get_recipes(
    tenant: Tenant, session: SessionNow, cursor: Cursor = None, limit: Limit = 50
) -> RecipePage:
    """List recipes by name, each in its newest version."""
    return recipes.list_recipes(session, tenant, cursor=cursor, limit=limit)


@router.get("/{name}", operation_id="get_recipe", responses=problems(404))
def get_recipe(name: RecipeName, tenant: Tenant, session: SessionNow) -> RecipeView:
    """Show a recipe's newest version."""
    return recipes.view_recipe(find_recipe(session, tenant, Reference(name=name)))


@router.delete("/{name}", operation_id="delete_recipe", status_code=204, responses=problems(404))
def remove_recipe(name: RecipeName, caller: Submitter, session: SessionNow) -> None:
    """Delete a recipe with all its versions.

    Batches that were made with one keep their images and its reference. A recipe that is stored
    under the name later goes on counting, so the reference never means another one.
    """
    if not delete_recipe(session, caller.tenant, name):
        raise NotFoundError(f"There is no recipe {name!r} here. GET /v1/recipes lists them.")


@router.get("/{name}/versions", operation_id="list_recipe_versions", responses=problems(404))
def get_versions(
    name: RecipeName,
    tenant: Tenant,
    session: SessionNow,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> RecipePage:
    """List a recipe's versions, newest first."""
    return recipes.list_versions(session, tenant, name, cursor=cursor, limit=limit)


@router.get(
    "/{name}/versions/{version}", operation_id="get_recipe_version", responses=problems(404)
)
def get_version(
    name: RecipeName,
    version: Annotated[int, PathParameter(ge=1, le=2**31 - 1, description="From 1.")],
    tenant: Tenant,
    session: SessionNow,
) -> RecipeView:
    """Show one version of a recipe, as it will always be."""
    return recipes.view_recipe(find_recipe(session, tenant, Reference(name=name, version=version)))
