"""What tenants have: API keys, recipes, a glossary, mappings of columns, kept answers."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Index, String, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from core.db.models.columns import Moment, created, enum_type, identity, moment
from core.domain.cache_mode import CacheMode
from core.domain.scopes import Scope


class ApiKey(SQLModel, table=True):
    """One caller's key."""

    __tablename__ = "api_key"
    __table_args__ = (
        # Those that share a limit.
        Index(
            "ix_api_key_limits_owner",
            "limits_owner",
            postgresql_where=text("limits_owner is not null"),
        ),
    )

    id: UUID = identity()
    tenant: str = Field(index=True)
    """Whose rows the key sees; several keys may share one tenant."""
    name: str
    prefix: str
    """The key's first characters, to tell keys apart in a list."""
    digest: str = Field(unique=True)
    """SHA-256 of the whole key, hex."""
    scopes: list[str] = Field(
        default_factory=lambda: [scope.value for scope in Scope],
        sa_type=ARRAY(String),
        sa_column_kwargs={"server_default": text("'{read,submit,review,admin}'")},
    )
    """What the key may do: values of `core.domain.scopes.Scope`."""
    created_at: datetime = created()
    expires_at: Moment = moment()
    """From then on it is unknown; empty: never."""
    revoked_at: Moment = moment()
    previous_digest: str | None = Field(default=None, unique=True)
    """Of the key that the last rotation replaced."""
    previous_until: Moment = moment()
    """Until when that one still works."""
    last_used_at: Moment = moment()
    """When a request last came with it; a few seconds late."""
    requests_per_minute: int | None = None
    """Most requests in a minute; 0 no limit, empty: the setting decides."""
    queued_images: int | None = None
    """Most images that wait or are computed; 0 no limit, empty: the setting decides."""
    source_bytes: int | None = Field(default=None, sa_type=BigInteger)
    """Most bytes of its tenant's photographs when it sends one; 0 no limit, empty: the setting
    decides."""
    limits_owner: UUID | None = None
    """The key in whose limits it counts too, which made it; empty: its own alone."""
    owner_requests_per_minute: int | None = None
    """That key's limit, which may be gone before this one; as `requests_per_minute`."""
    owner_queued_images: int | None = None
    """The same, as `queued_images`."""
    cache: CacheMode | None = Field(default=None, sa_type=enum_type(CacheMode))
    """What its requests want of the caches when they do not say; empty: the setting decides."""
    approximate: bool | None = None
    """Whether its requests agree to an approximate start when they do not say; empty: the setting
    decides."""


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
    """What a request may say about a sheet's images, as far as the recipe says it; nothing: it was
    deleted, and its number is not given again."""
    created_at: datetime = created()


class TenantGlossary(SQLModel, table=True):
    """A tenant's glossary."""

    __tablename__ = "glossary"

    tenant: str = Field(primary_key=True)
    entries: dict[str, str] = Field(sa_type=JSONB)
    """What prompts say instead of each word or phrase; the empty text: nothing."""
    updated_at: Moment = Field(
        default=None,
        sa_type=DateTime(timezone=True),
        sa_column_kwargs={"server_default": func.now(), "nullable": False},
    )


class ColumnMapping(SQLModel, table=True):
    """What a tenant said of the columns of sheets with the same header."""

    __tablename__ = "column_mapping"
    __table_args__ = (UniqueConstraint("tenant", "signature"),)

    id: UUID = identity()
    tenant: str
    signature: str
    """Of the header: `catalogue.proposals.signature_of`."""
    columns: dict[str, str] = Field(sa_type=JSONB)
    """The sheet's column by packshot's name of it; the empty text: no column is it."""
    source: str | None = None
    """Whose export the sheets were said to be; empty: that is found out."""
    sheet: str
    """What the last sheet was called that was read by it, for people."""
    created_at: datetime = created()
    last_used_at: datetime = created()


class IdempotencyRecord(SQLModel, table=True):
    """One answer, to be given again when the same request comes again."""

    __tablename__ = "idempotency_record"
    __table_args__ = (
        # What is too old.
        Index("ix_idempotency_record_created_at", "created_at"),
        # What is erased with the thing that it speaks of.
        Index("ix_idempotency_record_resource", "resource"),
    )

    api_key_id: UUID = Field(primary_key=True)
    key: str = Field(primary_key=True)
    """The caller's."""
    digest: str
    """SHA-256 of the request, hex."""
    status: int
    headers: list[list[str]] = Field(default_factory=list, sa_type=JSONB)
    """Names and values."""
    body: bytes | None = None
    """Empty: it was too long, or a secret."""
    resource: str | None = None
    """Path of the batch, job or other thing that the answer speaks of."""
    created_at: datetime = created()
