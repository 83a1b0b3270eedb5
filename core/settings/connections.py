"""Connections."""

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt


class ConnectionSettings(BaseModel):
    """Connections to the API: how many, how slow, and how they end."""

    max_connections: PositiveInt = Field(
        default=1000,
        description="Connections that one process of the API holds; above that, the one that has "
        "waited longest without a request is closed.",
    )
    max_header_bytes: int = Field(
        default=64 * 2**10,
        ge=1024,
        description="Largest head of a request, its address and headers, in bytes.",
    )
    header_seconds: PositiveFloat = Field(
        default=20.0, description="Seconds that the head of a request may take."
    )
    keep_alive_seconds: PositiveFloat = Field(
        default=75.0,
        description="How long a connection without requests stays open; longer than the proxy "
        "before it keeps one.",
    )
    min_bytes_per_second: int = Field(
        default=1024,
        ge=0,
        description="A request's body that comes more slowly over 20 seconds is cut off; 0 none.",
    )
    drain_seconds: float = Field(
        default=5.0,
        ge=0,
        le=3600,
        description="How long `GET /readyz` says 503 after SIGTERM before connections are closed; "
        "longer than the load balancer takes to notice.",
    )
    grace_seconds: int = Field(
        default=8,
        ge=1,
        le=3600,
        description="How long requests then have to end; what is not done is answered 503.",
    )
