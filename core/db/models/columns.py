"""Column types that several tables share."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Enum, func
from sqlmodel import Field
from uuid_utils.compat import uuid7


def identity() -> Any:
    """Make a primary key: UUIDv7 (RFC 9562), so ids sort by the time they were made."""
    return Field(default_factory=new_id, primary_key=True)


def new_id() -> UUID:
    """Make one id."""
    return uuid7()


def enum_type(values: type[StrEnum], *, checked: bool = True) -> Enum:
    """Make a text column; a native enum is awkward to migrate.

    Args:
        values: What it holds.
        checked: Whether a CHECK constraint keeps others out.
    """
    return Enum(
        values,
        native_enum=False,
        length=16,
        create_constraint=checked,
        name=values.__name__.lower(),
        values_callable=lambda members: [member.value for member in members],
    )


def created() -> Any:
    """Make the column of the timestamp at which the row was inserted, by Postgres's clock."""
    return Field(
        default=None,
        sa_type=DateTime(timezone=True),
        sa_column_kwargs={"server_default": func.now(), "nullable": False},
    )


def moment(*, index: bool = False) -> Any:
    """Make a column of a timestamp that is empty at first."""
    return Field(
        default=None,
        index=index,
        sa_type=DateTime(timezone=True),
    )


Moment = datetime | None
