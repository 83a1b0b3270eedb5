"""Worker."""

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt, ValidationInfo, field_validator

HEARTBEATS_PER_LEASE = 2
"""Least pauses between a worker's heartbeats that a lease must outlive."""


class WorkerSettings(BaseModel):
    """Workers: batches, leases and limits."""

    worker_cpus: str = Field(
        default="",
        pattern=r"^(\d+(-\d+)?(,\d+(-\d+)?)*)?$",
        description="CPUs that a worker may use, as in 0-7,16; empty for all.",
    )
    row_limit: PositiveInt = Field(default=8, description="Most images that share one UNet call.")
    shapes_in_play: PositiveInt = Field(
        default=3, description="Image sizes that should fill their batches at the same time."
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
    watchdog_seconds: PositiveFloat = Field(
        default=300.0,
        allow_inf_nan=False,
        description="A model call that takes longer ends the worker process. At least "
        "`PACKSHOT_HEARTBEAT_SECONDS`.",
    )
    model_load_seconds: PositiveFloat = Field(
        default=1800.0,
        allow_inf_nan=False,
        description="A model that takes longer to load beside others ends the worker process.",
    )
    models_memory_mib: int = Field(
        default=0,
        ge=0,
        description="Memory in MiB for the models of a worker that are loaded at the same time, "
        "one of which may take more; 0 is half of what the machine, or its container, has.",
    )
    models_idle_seconds: PositiveFloat = Field(
        default=900.0,
        description="A model that no image has used for so long is unloaded, unless it is the "
        "first one.",
    )
    worker_max_rss_mib: int = Field(
        default=0,
        ge=0,
        description="Resident memory in MiB above which a worker unloads models that it can do "
        "without, then drains and exits; 0 never.",
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
