"""Recipes: kept in versions, and found by name or by `name@version`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import ColumnElement, delete, func, select
from sqlmodel import Session, col

from core import idempotency
from core.db.locks import take_advisory_lock
from core.db.models import Recipe
from core.errors import InvalidRequestError, NotFoundError

NAME = r"[a-z0-9][a-z0-9._-]{0,99}"
"""Names: short, and the same in a URL, a file and a shell."""

_REFERENCE = re.compile(rf"({NAME})(?:@([1-9][0-9]{{0,8}}))?")


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A recipe as a request names it."""

    name: str
    version: int | None = None
    """None: the newest."""

    @classmethod
    def parse(cls, written: str) -> Self:
        """Read `name` or `name@version`.

        Raises:
            InvalidRequestError: It is neither.
        """
        found = _REFERENCE.fullmatch(written)
        if found is None:
            raise InvalidRequestError(
                f"{written!r} is not a recipe: write `name`, for its newest version, or "
                "`name@3`. Names are of lower-case letters, digits, dots, dashes and underscores."
            )
        return cls(name=found[1], version=int(found[2]) if found[2] else None)


def written(recipe: Recipe) -> str:
    """Return the reference that always means this version."""
    return f"{recipe.name}@{recipe.version}"


def add_version(
    session: Session, tenant: str, name: str, fields: Mapping[str, Any], note: str = ""
) -> tuple[Recipe, bool]:
    """Store a recipe's next version; what its newest says already makes none.

    Returns:
        The version that says this, and whether it is new.
    """
    newest = _lock_newest(session, tenant, name)
    if newest is not None and newest.fields == fields:
        return newest, False
    recipe = Recipe(
        tenant=tenant,
        name=name,
        version=newest.version + 1 if newest else 1,
        note=note,
        fields=dict(fields),
    )
    session.add(recipe)
    session.flush()
    session.refresh(recipe)
    return recipe, True


def delete_recipe(session: Session, tenant: str, name: str) -> bool:
    """Delete all versions of a recipe: what they say, and what repeats were answered about them.

    Of the newest an empty row stays: batches name versions, so no number is given twice.

    Returns:
        False when there is no such recipe.
    """
    newest = _lock_newest(session, tenant, name)
    if newest is None or not newest.fields:
        return False
    earlier = col(Recipe.version) < newest.version
    session.execute(
        delete(Recipe).where(col(Recipe.tenant) == tenant, col(Recipe.name) == name, earlier)
    )
    newest.fields, newest.note = {}, ""
    idempotency.forget(session, [f"/v1/recipes/{name}"], tenant=tenant)
    return True


def find_recipe(session: Session, tenant: str, reference: Reference) -> Recipe:
    """Find one version.

    Raises:
        NotFoundError: The tenant has no such recipe, or no such version of it.
    """
    if reference.version is None:
        recipe = _newest(session, tenant, reference.name)
    else:
        recipe = session.execute(
            _of(tenant, reference.name).where(col(Recipe.version) == reference.version)
        ).scalar_one_or_none()
    if recipe is None:
        version = f" of version {reference.version}" if reference.version else ""
        raise NotFoundError(
            f"There is no recipe {reference.name!r}{version} here. GET /v1/recipes lists them."
        )
    return recipe


def list_newest(
    session: Session, tenant: str, *, after: str | None, limit: int
) -> Sequence[Recipe]:
    """Return the newest version of each recipe, by name."""
    newest = (
        select(col(Recipe.name), func.max(col(Recipe.version)).label("version"))
        .where(col(Recipe.tenant) == tenant, _says_something())
        .group_by(col(Recipe.name))
        .order_by(col(Recipe.name))
        .limit(limit)
    )
    if after is not None:
        newest = newest.where(col(Recipe.name) > after)
    chosen = newest.subquery()
    statement = (
        select(Recipe)
        .join(
            chosen,
            (chosen.c.name == col(Recipe.name)) & (chosen.c.version == col(Recipe.version)),
        )
        .where(col(Recipe.tenant) == tenant)
        .order_by(col(Recipe.name))
    )
    return session.execute(statement).scalars().all()


def list_versions(
    session: Session, tenant: str, name: str, *, before: int | None, limit: int
) -> Sequence[Recipe]:
    """Return the versions of one recipe, newest first."""
    statement = _of(tenant, name).order_by(col(Recipe.version).desc()).limit(limit)
    if before is not None:
        statement = statement.where(col(Recipe.version) < before)
    return session.execute(statement).scalars().all()


def _newest(session: Session, tenant: str, name: str) -> Recipe | None:
    found = list_versions(session, tenant, name, before=None, limit=1)
    return found[0] if found else None


def _lock_newest(session: Session, tenant: str, name: str) -> Recipe | None:
    """Find the newest version, a deleted one too, when nobody else adds or deletes any."""
    take_advisory_lock(session, f"recipe {tenant} {name}")
    return session.execute(
        _rows(tenant, name).order_by(col(Recipe.version).desc()).limit(1)
    ).scalar_one_or_none()


def _of(tenant: str, name: str) -> Any:
    return _rows(tenant, name).where(_says_something())


def _rows(tenant: str, name: str) -> Any:
    return select(Recipe).where(col(Recipe.tenant) == tenant, col(Recipe.name) == name)


def _says_something() -> ColumnElement[bool]:
    """Leave out what is left of deleted recipes: requests store none that says nothing."""
    return col(Recipe.fields) != {}
