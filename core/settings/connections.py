"""Connections."""

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt


class ConnectionSettings(BaseModel):
    """Connections to the API: how many, how slow, and how they end."""

    max_connections: PositiveInt = Field(
        default=1000,
        description="Maximum number of connections per API process. Above it the connection that "
        "has waited longest without a request is closed.",
    )
    max_header_bytes: int = Field(
        default=64 * 2**10,
        ge=1024,
        description="Maximum size of a request's first line and headers, in bytes.",
    )
    header_seconds: PositiveFloat = Field(
        default=20.0,
        description="Maximum seconds for a request's first line and headers to arrive.",
    )
    keep_alive_seconds: PositiveFloat = Field(
        default=75.0,
        description="Seconds for which a connection without requests stays open. Choose more than "
        "the proxy in front of the API does.",
    )
    min_bytes_per_second: int = Field(
        default=1024,
        ge=0,
        description="Minimum bytes a second at which a request's body arrives, measured over 20 "
        "seconds. Slower requests are cut off; 0 means no minimum.",
    )
    drain_seconds: float = Field(
        default=5.0,
        ge=0,
        le=3600,
        description="Seconds for which `GET /readyz` says 503 after SIGTERM before connections "
        "are closed. Choose more than the load balancer takes to notice.",
    )
    grace_seconds: int = Field(
        default=8,
        ge=1,
        le=3600,
        description="Seconds for which running requests may go on after `PACKSHOT_DRAIN_SECONDS`. "
        "What is not done then is answered 503.",
    )
