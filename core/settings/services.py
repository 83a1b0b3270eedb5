"""Services."""

from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, Field, PositiveFloat, PositiveInt

Url = TypeVar("Url", str, str | None)


def check_redis(url: Url) -> Url:
    """Check that an address, if there is one, is one of Redis or Valkey.

    Raises:
        ValueError: It is of another kind of broker.
    """
    if url and not url.startswith(("redis://", "rediss://")):
        raise ValueError(
            "give the address of a Redis or Valkey as redis://host:port/0, or as "
            "rediss://host:port/0 with TLS; there is no other broker"
        )
    return url


class ServiceSettings(BaseModel):
    """Postgres, the broker, and the folder of this machine's data."""

    home: Path = Field(
        default=Path(".packshot"),
        description="Folder for the embedded stack's data, built bundles, compiled models and "
        "logs. Put it on a disk that has room for your images.",
    )
    database_url: str = Field(
        default="postgresql+psycopg://packshot@127.0.0.1:5432/packshot",
        description="Address of Postgres, as an SQLAlchemy URL for the psycopg driver.",
    )
    database_pool_size: int = Field(
        default=10,
        ge=3,
        description="Maximum number of Postgres connections per process. All processes together "
        "must stay below the `max_connections` of Postgres.",
    )
    database_pooler: bool = Field(
        default=False,
        description="Whether a connection pooler in transaction mode, such as PgBouncer, stands "
        "in front of Postgres. Set it to true if one does.",
    )
    statement_timeout: PositiveFloat = Field(
        default=10.0,
        description="Maximum seconds for one SQL statement of an API request, a worker or the "
        "webhook process.",
    )
    maintenance_timeout: PositiveFloat = Field(
        default=120.0,
        description="Maximum seconds for one SQL statement of housekeeping, of a command or of a "
        "sheet's submission. Raise it if the largest sheets exceed it.",
    )
    broker_url: Annotated[str, AfterValidator(check_redis)] = Field(
        min_length=1,
        default="redis://127.0.0.1:6379/0",
        description="Address of the Redis or Valkey that wakes the workers, as "
        "redis://host:port/0, or rediss://host:port/0 with TLS. Run it with the policy "
        "`noeviction`.",
    )
    visibility_timeout: PositiveInt = Field(
        default=60,
        description="Seconds after which Redis offers the messages of a dead worker to the others.",
    )
    connect_timeout: PositiveFloat = Field(
        default=3.0,
        description="Maximum seconds to wait for a connection to Postgres, Redis or S3.",
    )
