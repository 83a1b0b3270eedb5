"""Images: what lies in S3."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, Index, String, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from core.db.models.columns import Moment, created, identity, moment


class Image(SQLModel, table=True):
    """One stored image; its bytes never change."""

    __tablename__ = "image"
    __table_args__ = (
        # Not unique: two workers may finish the same thing at the same moment, and the newer
        # image answers.
        Index("ix_image_reusable", "tenant", "fingerprint", postgresql_where=text("reusable")),
        # How many images a tenant has in store, and their bytes.
        Index(
            "ix_image_held",
            "tenant",
            postgresql_include=["size"],
            postgresql_where=text("doomed_at is null"),
        ),
        # What the janitor takes away next; nearly always empty.
        Index("ix_image_doomed", "doomed_at", postgresql_where=text("doomed_at is not null")),
        # Whether an object in S3 has a row.
        Index("ix_image_key", "key"),
        # What was made of a photograph.
        Index(
            "ix_image_made_of",
            "made_of",
            postgresql_using="gin",
            postgresql_where=text("made_of is not null"),
        ),
    )

    id: UUID = identity()
    tenant: str
    fingerprint: str
    generation_id: UUID = Field(foreign_key="generation.id", index=True)
    key: str
    """Object key in the bucket."""
    content_type: str
    digest: str
    """SHA-256 of the bytes, hex; the ETag."""
    size: int
    """Bytes."""
    width: int
    height: int
    seed: int = Field(sa_type=BigInteger)
    quality: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True))
    """How far a photograph's product is its own, and what a person should look at; empty: a model
    drew it. See `catalogue.cutouts.finishing`."""
    made_of: list[str] | None = Field(default=None, sa_type=ARRAY(String))
    """SHA-256 of the photographs and masks that it was made of, hex; empty: of none, or it is older
    than this column."""
    token: UUID = Field(
        default_factory=uuid4,
        unique=True,
        sa_column_kwargs={"server_default": text("gen_random_uuid()")},
    )
    """What its public URLs hold: 122 random bits, which nobody guesses as ids may be."""
    created_at: datetime = created()
    reusable: bool = Field(default=True, sa_column_kwargs={"server_default": text("true")})
    """Whether it answers further requests; those that have it keep it either way."""
    uses: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    """Requests that it answered; written in batches, so a few seconds late."""
    last_used_at: datetime = created()
    """When it last answered a request, as late as `uses`."""
    doomed_at: Moment = moment()
    """When the janitor decided to delete it: nothing reads it from then on."""
