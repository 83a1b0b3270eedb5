"""Logs, metrics and health."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field, SecretStr


class WatchingSettings(BaseModel):
    """Logs, metrics and health checks."""

    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(str.upper)
    ] = Field(
        default="INFO", description="Lowest level that is logged: DEBUG, INFO, WARNING or ERROR."
    )
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto",
        description="Format of log lines: json, console, or auto, which is console in a terminal "
        "and json elsewhere.",
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        description="Bearer token for `GET /metrics` of API, workers and housekeeping. Leave it "
        "empty to serve no metrics.",
    )
    worker_metrics_host: str = Field(
        default="127.0.0.1",
        description="Address on which workers and housekeeping serve `GET /metrics`.",
    )
    worker_metrics_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Port on which a worker serves `GET /metrics`. 0 turns this off.",
    )
    housekeeping_metrics_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Port on which housekeeping serves `GET /metrics`. 0 turns this off.",
    )
    health_file: str = Field(
        default="",
        description="File that housekeeping and the webhook process touch while they work, for "
        "health checks. Leave it empty for none.",
    )
