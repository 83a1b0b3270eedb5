"""Recipes: named presets of a request's fields, in versions that never change."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from core.db.models.columns import created, identity


class Recipe(SQLModel, table=True):
    """One version of a tenant's recipe."""

    __tablename__ = "recipe"
    __table_args__ = (UniqueConstraint("tenant", "name", "version"),)

    id: UUID = identity()
    tenant: str
    name: str
    version: int
    """From 1, without gaps."""
    note: str = ""
    """What changed, for people."""
    fields: dict[str, Any] = Field(sa_type=JSONB)
    """What a request may say about a sheet's images, as far as the recipe says it."""
    created_at: datetime = created()
