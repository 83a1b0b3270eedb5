"""Any number of values in a statement: one array for each column.

`IN` and `VALUES` send one parameter per value, of which a statement may have 65,535.
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, TableValuedAlias, Uuid, any_, bindparam, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import TypeEngine
from sqlmodel import col


def among(column: Any, ids: Collection[UUID]) -> ColumnElement[bool]:
    """Match a column against any number of ids."""
    return col(column) == any_(_array_of(Uuid(), ids))


def _array_of(element: TypeEngine[Any], values: Collection[Any]) -> ColumnElement[Any]:
    """Send values as one array parameter."""
    return bindparam(None, list(values), type_=ARRAY(element), unique=True, expanding=False)


def values_table(**columns: tuple[TypeEngine[Any], Collection[Any]]) -> TableValuedAlias:
    """Make a table of values: of each column its type, and one value per row."""
    arrays = [_array_of(element, values) for element, values in columns.values()]
    return func.unnest(*arrays).table_valued(*columns).render_derived(name="given")
