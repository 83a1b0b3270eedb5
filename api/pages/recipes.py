"""Recipes: listed, changed, with their versions."""

from typing import Annotated

from fastapi import Form, Query
from fastapi.responses import Response
from sqlmodel import Session

from api.dependencies import ServicesNow, SessionNow, Submitter, Tenant
from api.pages.page import Page, PageNow
from api.pages.recipe_form import RecipeForm
from api.pages.route import page_router
from api.routes import recipes as routes
from api.schemas.recipes import RecipeName
from api.services import Services
from api.submission import recipes
from api.views.cursors import Cursor
from core.errors import InvalidRequestError
from core.links import WORKBENCH
from core.recipes import Reference, find_recipe

AT_ONCE = 50

router = page_router(prefix=f"{WORKBENCH}/recipes")


@router.get("")
def get_recipes(
    page: PageNow,
    tenant: Tenant,
    services: ServicesNow,
    session: SessionNow,
    cursor: Cursor = None,
) -> Response:
    """List recipes, each in its newest version."""
    return _show_list(page, tenant, services, session, cursor=cursor)


def _show_list(
    page: Page,
    tenant: str,
    services: Services,
    session: Session,
    *,
    cursor: str | None = None,
    form: RecipeForm | None = None,
    error: str = "",
) -> Response:
    return page.show(
        "recipes.html",
        status=422 if error else 200,
        recipes=recipes.list_recipes(session, tenant, cursor=cursor, limit=AT_ONCE),
        form=form or RecipeForm(),
        error=error,
        models=list(services.models),
    )


@router.post("")
def post_recipe(
    page: PageNow,
    caller: Submitter,
    services: ServicesNow,
    session: SessionNow,
    form: Annotated[RecipeForm, Form()],
) -> Response:
    """Store a recipe, as the next version of its name; show a bad one again as it was typed."""
    try:
        stored, is_new = recipes.add_recipe(session, caller.tenant, form.request(), services.models)
    except InvalidRequestError as error:
        session.rollback()
        return _show_list(page, caller.tenant, services, session, form=form, error=error.detail)
    said = f"{stored.reference} is stored." if is_new else f"{stored.reference} says that already."
    return page.go(f"{WORKBENCH}/recipes/{stored.name}", said)


@router.get("/{name}")
def get_recipe(
    name: RecipeName,
    page: PageNow,
    tenant: Tenant,
    services: ServicesNow,
    session: SessionNow,
    version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
    cursor: Cursor = None,
) -> Response:
    """Show a version of a recipe, the newest without a number, and change it."""
    found = find_recipe(session, tenant, Reference(name=name, version=version))
    shown = recipes.view_recipe(found)
    return page.show(
        "recipe.html",
        recipe=shown,
        versions=recipes.list_versions(session, tenant, name, cursor=cursor, limit=AT_ONCE),
        form=RecipeForm.of(name, shown.fields),
        error="",
        models=list(services.models),
    )


@router.post("/{name}/delete")
def post_delete(
    name: RecipeName, page: PageNow, caller: Submitter, session: SessionNow
) -> Response:
    """Delete a recipe with all its versions."""
    routes.remove_recipe(name, caller, session)
    return page.go(f"{WORKBENCH}/recipes", f"The recipe {name} is deleted.")
