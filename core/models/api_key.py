"""API keys: shown once, stored as a hash."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from core.models.columns import Moment, created, identity, moment


class ApiKey(SQLModel, table=True):
    """One caller's key."""

    __tablename__ = "api_key"

    id: UUID = identity()
    tenant: str = Field(index=True)
    """Whose rows the key sees; several keys may share one tenant."""
    name: str
    prefix: str
    """The key's first characters, to tell keys apart in a list."""
    digest: str = Field(unique=True)
    """SHA-256 of the whole key, hex."""
    created_at: datetime = created()
    revoked_at: Moment = moment()
