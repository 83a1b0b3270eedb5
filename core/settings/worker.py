"""Worker."""

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt, ValidationInfo, field_validator

HEARTBEATS_PER_LEASE = 2
"""Least pauses between a worker's heartbeats that a lease must outlive."""


class WorkerSettings(BaseModel):
    """Workers: batches, leases and limits."""

    worker_cpus: str = Field(
        default="",
        pattern=r"^(\d+(-\d+)?(,\d+(-\d+)?)*)?$",
        description="CPUs that a worker may use, for example 0-7,16. Leave it empty for all.",
    )
    row_limit: PositiveInt = Field(
        default=8, description="Maximum number of images that share one UNet call."
    )
    shapes_in_play: PositiveInt = Field(
        default=3,
        description="Number of image sizes for which a worker fills batches at the same time.",
    )
    cutout_threads: int = Field(
        default=0,
        ge=0,
        description="Number of photographs that a worker cuts out at the same time, beside its "
        "model and at a lower priority. 0 means half of its CPUs.",
    )
    lease_seconds: PositiveFloat = Field(
        default=60.0,
        allow_inf_nan=False,
        description="Seconds without progress after which a worker loses its images. A model call "
        "is progress until `PACKSHOT_WATCHDOG_SECONDS`. Choose at least twice "
        "`PACKSHOT_HEARTBEAT_SECONDS`.",
    )
    heartbeat_seconds: PositiveFloat = Field(
        default=1.0,
        allow_inf_nan=False,
        description="Seconds between two heartbeats, at which a worker renews its leases and "
        "looks for cancellations.",
    )
    watchdog_seconds: PositiveFloat = Field(
        default=300.0,
        allow_inf_nan=False,
        description="Maximum seconds for one model call, after which the worker process ends. "
        "Choose at least `PACKSHOT_HEARTBEAT_SECONDS`, and more for large images on slow "
        "machines.",
    )
    model_load_seconds: PositiveFloat = Field(
        default=1800.0,
        allow_inf_nan=False,
        description="Maximum seconds for loading a model beside others, after which the worker "
        "process ends.",
    )
    models_memory_mib: int = Field(
        default=0,
        ge=0,
        description="Memory in MiB for all models that a worker has loaded at the same time; one "
        "alone may take more. 0 means half of the machine's, or of its container's. Set it if "
        "several workers share a machine.",
    )
    models_idle_seconds: PositiveFloat = Field(
        default=900.0,
        description="Seconds without an image after which a model is unloaded. The first model "
        "always stays.",
    )
    worker_max_rss_mib: int = Field(
        default=0,
        ge=0,
        description="Resident memory in MiB above which a worker unloads models that it can do "
        "without, and then finishes its images and exits. 0 means no limit.",
    )

    # Of the last of the three fields and not of the model, so that errors name it.
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
