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
        description="Folder of the embedded stack's data, of built model bundles and of logs.",
    )
    database_url: str = Field(
        default="postgresql+psycopg://packshot@127.0.0.1:5432/packshot",
        description="Postgres, as an SQLAlchemy URL for the psycopg driver.",
    )
    database_pool_size: int = Field(
        default=10, ge=3, description="Most Postgres connections that one process keeps open."
    )
    database_pooler: bool = Field(
        default=False,
        description="Whether a pooler that hands out connections by transaction stands before "
        "Postgres, such as PgBouncer.",
    )
    statement_timeout: PositiveFloat = Field(
        default=10.0,
        description="Seconds that a statement of a request, a worker or the webhook worker may "
        "take.",
    )
    maintenance_timeout: PositiveFloat = Field(
        default=120.0,
        description="Seconds that a statement of housekeeping, a sheet's submission or a command "
        "may take.",
    )
    broker_url: Annotated[str, AfterValidator(check_redis)] = Field(
        min_length=1,
        default="redis://127.0.0.1:6379/0",
        description="What wakes the workers: Redis or Valkey, run with `noeviction`, as "
        "redis://host or rediss://host.",
    )
    visibility_timeout: PositiveInt = Field(
        default=60,
        description="Seconds until Redis offers a dead worker's messages again.",
    )
    connect_timeout: PositiveFloat = Field(
        default=3.0, description="Seconds to wait for a connection to any service."
    )
