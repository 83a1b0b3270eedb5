"""Services."""

from pathlib import Path

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt


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
    broker_url: str = Field(
        default="redis://127.0.0.1:6379/0",
        description="What wakes the workers: Redis or Valkey, run with `noeviction`, or RabbitMQ "
        "(`amqp://user:password@host:5672//`).",
    )
    visibility_timeout: PositiveInt = Field(
        default=60,
        description="Seconds until Redis offers a dead worker's messages again; RabbitMQ does so "
        "at once.",
    )
    connect_timeout: PositiveFloat = Field(
        default=3.0, description="Seconds to wait for a connection to any service."
    )
