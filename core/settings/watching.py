"""Logs, metrics and health."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field, SecretStr


class WatchingSettings(BaseModel):
    """Logs, metrics and health checks."""

    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(str.upper)
    ] = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR.")
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto",
        description="How log lines look: json, console, or auto: console in a terminal.",
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        description="Bearer token that opens `GET /metrics` of API, workers and housekeeping; "
        "empty: nobody can read them.",
    )
    worker_metrics_host: str = Field(
        default="127.0.0.1",
        description="Address at which workers and housekeeping serve `GET /metrics`.",
    )
    worker_metrics_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Port at which a worker serves `GET /metrics`; 0: it does not.",
    )
    housekeeping_metrics_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Port at which housekeeping serves `GET /metrics`; 0: it does not.",
    )
    health_file: str = Field(
        default="",
        description="File that housekeeping and the webhook worker touch while they go on, for "
        "health checks; empty: none.",
    )
