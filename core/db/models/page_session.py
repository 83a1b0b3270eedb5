"""Sessions of the workbench: who signed in with which key."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime
from sqlmodel import Field, SQLModel

from core.db.models.columns import created, identity


class PageSession(SQLModel, table=True):
    """One browser that is signed in."""

    __tablename__ = "page_session"

    id: UUID = identity()
    digest: str = Field(unique=True)
    """SHA-256 of the cookie's token, hex."""
    api_key_id: UUID = Field(foreign_key="api_key.id", ondelete="CASCADE", index=True)
    key_digest: str
    """Of the secret that was signed in with: where a rotation ends that, it ends the session."""
    created_at: datetime = created()
    last_used_at: datetime = created()
    """Up to a minute late."""
    expires_at: datetime = Field(
        default=None,
        index=True,
        sa_type=DateTime(timezone=True),
        sa_column_kwargs={"nullable": False},
    )
    """It ends then, however much it is used."""
