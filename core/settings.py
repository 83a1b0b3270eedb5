"""Every setting, typed and described; read from `PACKSHOT_*` variables and `.env`."""

import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Literal

from dotenv import dotenv_values
from pydantic import (
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.domain.cache_mode import CacheMode
from core.eviction import Policy

PREFIX = "PACKSHOT_"
"""Of every variable that is a setting."""

ENV_FILE = ".env"
"""In the folder that a process runs in."""

OF_THE_COMMAND = ("PACKSHOT_URL", "PACKSHOT_KEY")
"""What the `packshot` command reads beside the settings: the server that it talks to."""

HEARTBEATS_PER_LEASE = 2
"""Least pauses between a worker's heartbeats that a lease must outlive."""


class Settings(BaseSettings):
    """The settings of every packshot process."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ENV_FILE, extra="ignore", frozen=True
    )

    home: Path = Field(
        default=Path(".packshot"),
        description="Folder of the embedded stack's data, of built model bundles and of logs.",
    )

    # Services
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
    s3_endpoint_url: str | None = Field(
        default=None, description="S3 endpoint; empty for AWS's own."
    )
    s3_public_url: str | None = Field(
        default=None,
        description="Address of the same S3 for callers, in presigned URLs; empty: the endpoint.",
    )
    s3_bucket: str = Field(default="packshot", description="Bucket that holds the images.")
    s3_region: str = Field(default="us-east-1", description="Region of the bucket.")
    s3_access_key_id: str | None = Field(
        default=None, description="S3 access key; empty for the machine's own credentials."
    )
    s3_secret_access_key: SecretStr | None = Field(
        default=None, description="S3 secret key; empty for the machine's own credentials."
    )
    connect_timeout: PositiveFloat = Field(
        default=3.0, description="Seconds to wait for a connection to any service."
    )

    # API
    api_host: str = Field(default="127.0.0.1", description="Address the API listens on.")
    api_port: PositiveInt = Field(default=8000, description="Port the API listens on.")
    api_processes: int = Field(
        default=2,
        ge=1,
        description="Processes of the API that answer requests; one more reads sheets. Each has "
        "connections and memory of its own.",
    )
    max_sheet_rows: PositiveInt = Field(
        default=100_000,
        description="Most rows of one sheet, and images it may ask for (rows × variants).",
    )
    max_upload_bytes: PositiveInt = Field(
        default=64 * 2**20,
        description="Largest body of `POST /v1/batches`, in bytes; other requests have 1 MiB.",
    )
    requests_per_minute: int = Field(
        default=0, ge=0, description="Most requests of an API key in a minute; 0 no limit."
    )
    queued_images: int = Field(
        default=0,
        ge=0,
        description="Most images of an API key that wait or are computed; 0 no limit.",
    )
    rate_limit_url: str | None = Field(
        default=None,
        description="Where requests are counted, as redis://host/1; empty: the broker's Redis, "
        "else each API process by itself.",
    )
    idempotency_seconds: PositiveInt = Field(
        default=24 * 3600, description="How long the answer to an Idempotency-Key is kept."
    )
    max_variants: PositiveInt = Field(default=16, description="Most variants of one row.")
    max_steps: PositiveInt = Field(default=150, description="Most denoising steps of one image.")
    presigned_url_seconds: PositiveInt = Field(
        default=3600, description="Life of a presigned image URL, in seconds."
    )
    public_url: str = Field(
        default="",
        pattern=r"^(https?://[^/?#]+(/[^?#]*)?)?$",
        description="Address of the API for everybody, which public image URLs and the links in "
        "webhooks begin with.",
    )
    c2pa_certificate: str = Field(
        default="",
        description="PEM file of the certificates that sign images (C2PA); empty: no signature.",
    )
    c2pa_key: str = Field(
        default="", description="PEM file of the signing certificate's P-256 key."
    )

    # Model
    bundle: Path = Field(
        default=Path(".packshot/bundles/starter"),
        description="Folder of the model bundle that API and workers use.",
    )
    device: str = Field(default="CPU", description="OpenVINO device that runs the model.")
    inference_precision: Literal["auto", "f32", "bf16"] = Field(
        default="auto",
        description="What the UNet and the decoder are computed in; auto is f32 for a bundle built "
        "as fp32, bf16 for one built as that where the CPU has it, else the faster of those whose "
        "output is near to f32's, as measured at the first start.",
    )
    inference_threads: int = Field(
        default=0,
        ge=0,
        description="Threads of the UNet; 0 lets OpenVINO choose, within a container's CPU quota.",
    )

    inference_streams: PositiveInt = Field(
        default=1, description="UNet calls that run at the same time."
    )
    inference_pinning: bool = Field(
        default=True,
        description="Whether OpenVINO binds threads to cores; not where workers share them.",
    )
    decode_tile: int = Field(
        default=768,
        ge=0,
        multiple_of=64,
        description="Larger images are decoded in tiles of this side, in pixels; 0 never.",
    )

    # Worker
    worker_cpus: str = Field(
        default="",
        pattern=r"^(\d+(-\d+)?(,\d+(-\d+)?)*)?$",
        description="CPUs that a worker may use, as in 0-7,16; empty for all.",
    )
    row_limit: PositiveInt = Field(default=8, description="Most images that share one UNet call.")
    shapes_in_play: PositiveInt = Field(
        default=3, description="Image sizes that should fill their batches at the same time."
    )
    embedding_cache_bytes: int = Field(
        default=64 * 2**20, ge=0, description="Memory for cached text embeddings, in bytes."
    )
    lease_seconds: PositiveFloat = Field(
        default=60.0,
        allow_inf_nan=False,
        description="A worker that shows no progress for this long loses its images; a model call "
        "in progress is progress until `PACKSHOT_WATCHDOG_SECONDS`. At least twice "
        "`PACKSHOT_HEARTBEAT_SECONDS`.",
    )
    heartbeat_seconds: PositiveFloat = Field(
        default=1.0,
        allow_inf_nan=False,
        description="How often a worker renews leases and looks for cancellations.",
    )
    health_file: str = Field(
        default="",
        description="File that housekeeping and the webhook worker touch while they go on, for "
        "health checks; empty: none.",
    )
    max_attempts: PositiveInt = Field(
        default=3, description="Times an image is tried before it fails."
    )
    watchdog_seconds: PositiveFloat = Field(
        default=300.0,
        allow_inf_nan=False,
        description="A model call that takes longer ends the worker process. At least "
        "`PACKSHOT_HEARTBEAT_SECONDS`.",
    )
    worker_max_rss_mib: int = Field(
        default=0,
        ge=0,
        description="Resident memory in MiB above which a worker drains and exits; 0 never.",
    )

    # Queue
    visibility_timeout: PositiveInt = Field(
        default=60,
        description="Seconds until Redis offers a dead worker's messages again; RabbitMQ does so "
        "at once.",
    )
    sweep_seconds: PositiveFloat = Field(
        default=2.0, description="Pause between two passes of the sweeper."
    )
    republish_seconds: PositiveFloat = Field(
        default=10.0,
        description="A queued image whose lane is empty in Redis for this long is sent again.",
    )
    queue_window: PositiveInt = Field(
        default=128,
        description="Queued images of a tenant that have messages in a lane at the same time.",
    )
    feed_seconds: PositiveFloat = Field(
        default=0.2, description="Pause between two looks for images whose turn has come."
    )
    lane_share: PositiveInt = Field(
        default=8,
        description="Every so many fetches a worker asks the bulk lane first, so it never starves.",
    )

    # Caches
    cache: CacheMode = Field(
        default=CacheMode.USE,
        description="Whether stored images and running work answer requests that do not say: "
        "use, refresh or bypass.",
    )
    cache_eviction: Policy = Field(
        default=Policy.LRU,
        description="What leaves first when a budget is full: lru, lfu, fifo, lifo or random.",
    )
    result_ttl_seconds: int = Field(
        default=30 * 24 * 3600,
        ge=0,
        description="How long an image answers further requests before it is deleted; 0 for ever.",
    )
    result_budget_bytes: int = Field(
        default=20 * 2**30,
        ge=0,
        description="Bytes of stored images above which the janitor deletes some; 0 no limit.",
    )
    result_budget_images: int = Field(
        default=0,
        ge=0,
        description="Stored images above which the janitor deletes some; 0 no limit.",
    )
    result_retention_seconds: int = Field(
        default=7 * 24 * 3600,
        ge=0,
        description="No image is deleted sooner than this after a job got it, whatever the budget.",
    )
    result_memory_bytes: int = Field(
        default=64 * 2**20,
        ge=0,
        description="Memory of an API process for images that are asked for often, in bytes.",
    )
    result_memory_images: int = Field(
        default=10_000,
        ge=0,
        description="Most images that an API process keeps in mind; 0 none.",
    )
    janitor_seconds: PositiveFloat = Field(
        default=30.0, description="Pause between two passes of the janitor over stored images."
    )
    stats_seconds: PositiveFloat = Field(
        default=5.0, description="How often a process writes what its caches did to Postgres."
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

    approximate: bool = Field(
        default=False,
        description="Whether requests that do not say agree to begin with a near prompt's latents.",
    )
    approximate_budget_bytes: int = Field(
        default=2**30,
        ge=0,
        description="Bytes of latents kept for near prompts; 0 keeps and uses none.",
    )
    approximate_ttl_seconds: PositiveInt = Field(
        default=7 * 24 * 3600, description="How long latents for near prompts are kept."
    )

    # Calls to addresses that callers name
    outbound_allow: str = Field(
        default="",
        description="Hosts, addresses and networks that callers' URLs may lead to although they "
        "are not public, as in erp.internal,10.1.0.0/16; each host may resolve to any address.",
    )
    outbound_ports: str = Field(
        default="80,443",
        pattern=r"^\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*$",
        description="Ports that callers' URLs may name, as in 80,443,8000-8999.",
    )

    # Webhooks
    webhook_timeout: PositiveFloat = Field(
        default=20.0, description="Seconds that a receiver has to answer."
    )
    webhook_concurrency: PositiveInt = Field(
        default=256, description="Messages that one webhook process sends at the same time."
    )
    webhook_endpoint_concurrency: PositiveInt = Field(
        default=8, description="Messages of those that go to the same endpoint."
    )
    webhook_poll_seconds: PositiveFloat = Field(
        default=0.5, description="Pause between two looks at an outbox that had nothing to send."
    )
    webhook_disable_seconds: PositiveFloat = Field(
        default=5 * 24 * 3600.0,
        description="An endpoint without a success for this long is told nothing any more.",
    )
    webhook_overlap_seconds: int = Field(
        default=24 * 3600,
        ge=0,
        description="How long a secret that was replaced goes on signing beside the new one.",
    )
    webhook_retention_seconds: PositiveFloat = Field(
        default=30 * 24 * 3600.0,
        description="How long events and what became of them are kept.",
    )

    log_level: str = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR.")
    log_format: Literal["auto", "console", "json"] = Field(
        default="auto",
        description="How log lines look: json, console, or auto: console in a terminal.",
    )

    # Of the last of the three fields and not of the model: an error of the model quotes every
    # setting, passwords included.
    @field_validator("watchdog_seconds")
    @classmethod
    def _leases_outlive_heartbeats(cls, watchdog: float, info: ValidationInfo) -> float:
        """Check that leases and watchdog leave room for heartbeats.

        Raises:
            ValueError: A healthy worker could lose its images between two heartbeats.
        """
        lease, heartbeat = info.data.get("lease_seconds"), info.data.get("heartbeat_seconds")
        if lease is None or heartbeat is None:  # not usable themselves, which is said
            return watchdog
        # A lease is renewed at the first heartbeat after a quarter of it.
        if lease < HEARTBEATS_PER_LEASE * heartbeat or watchdog < heartbeat:
            raise ValueError(
                f"PACKSHOT_LEASE_SECONDS is {lease:g}, PACKSHOT_HEARTBEAT_SECONDS {heartbeat:g} "
                f"and PACKSHOT_WATCHDOG_SECONDS {watchdog:g}: a lease must be at least "
                f"{HEARTBEATS_PER_LEASE} times as long as the pause between heartbeats, and the "
                "watchdog's limit at least as long as that pause, or healthy workers lose their "
                "images. Raise the lease or the watchdog's limit, or lower the heartbeat."
            )
        return watchdog


def unknown_settings(
    environ: Mapping[str, str], env_file: Path | None = None
) -> Mapping[str, str | None]:
    """Find `PACKSHOT_*` variables that are no setting: nothing reads them.

    Args:
        environ: The environment.
        env_file: Where settings are read from beside it, if there is such a file.

    Returns:
        By its name as it was written, the setting with the nearest name; None where no name is
        near.
    """
    given = {*environ, *(dotenv_values(env_file) if env_file else ())}
    # pydantic-settings folds case, too.
    ours = {name: name.upper() for name in sorted(given) if name.upper().startswith(PREFIX)}
    return {
        name: _nearest(folded.removeprefix(PREFIX))
        for name, folded in ours.items()
        if folded.removeprefix(PREFIX).lower() not in Settings.model_fields
        and folded not in OF_THE_COMMAND
    }


def _nearest(name: str) -> str | None:
    # Without the prefix, which would make all of them alike.
    known = [field.upper() for field in Settings.model_fields]
    found = get_close_matches(name, known, n=1)
    return f"{PREFIX}{found[0]}" if found else None


def describe_unknown_settings() -> Sequence[str]:
    """Say of each variable of this process that is no setting which one may have been meant."""
    return [
        f"{name} is no setting and is ignored"
        + (f"; did you mean {nearest}?" if nearest else "; docs/settings.md lists them.")
        for name, nearest in unknown_settings(os.environ, Path(ENV_FILE)).items()
    ]


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Read the settings once for this process."""
    return Settings()
