"""API."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, PositiveInt

from core.settings.services import check_redis


class ApiSettings(BaseModel):
    """The API: addresses and limits."""

    api_host: str = Field(default="127.0.0.1", description="Address the API listens on.")
    api_port: int = Field(default=8000, ge=1, le=65535, description="Port the API listens on.")
    api_processes: int = Field(
        default=2,
        ge=1,
        description="Processes of the API that answer requests. Each has connections and memory of "
        "its own.",
    )
    sheets_url: str = Field(
        default="",
        pattern=r"^(https?://[^/?#]+(/[^?#]*)?)?$",
        description="Service that reads sheets (`python -m api.sheets`), to which the API passes "
        "`POST /v1/batches` on; empty: each process of the API starts processes that read them.",
    )
    public_url: str = Field(
        default="",
        pattern=r"^(https?://[^/?#]+(/[^?#]*)?)?$",
        description="Address of the API for everybody, which public image URLs and the links in "
        "webhooks begin with.",
    )
    max_sheet_rows: PositiveInt = Field(
        default=100_000,
        description="Most rows of one sheet, and images it may ask for (rows × variants).",
    )
    max_upload_bytes: PositiveInt = Field(
        default=64 * 2**20,
        description="Largest body of `POST /v1/batches`, in bytes; other requests have 1 MiB.",
    )
    sheet_processes: int = Field(
        default=3,
        ge=2,
        description="Sheets that the service for sheets reads at the same time, each in a process "
        "of its own; a tenant has at most half of them.",
    )
    sheet_queue: int = Field(
        default=64,
        ge=2,
        description="Sheets that are uploaded, wait or are read there at the same time; a tenant "
        "has at most half of them.",
    )
    sheet_cpu_seconds: PositiveInt = Field(
        default=120, description="Most seconds of computing that one sheet takes there."
    )
    sheet_seconds: PositiveInt = Field(
        default=300,
        description="Most seconds that one sheet waits there for its turn, and that reading it "
        "takes.",
    )
    sheet_memory_bytes: PositiveInt = Field(
        default=2**30, description="Most memory that one sheet takes there, in bytes."
    )
    max_variants: PositiveInt = Field(default=16, description="Most variants of one row.")
    max_steps: PositiveInt = Field(default=150, description="Most denoising steps of one image.")
    requests_per_minute: int = Field(
        default=0, ge=0, description="Most requests of an API key in a minute; 0 no limit."
    )
    queued_images: int = Field(
        default=0,
        ge=0,
        description="Most images of an API key that wait or are computed; 0 no limit.",
    )
    rate_limit_url: Annotated[str | None, AfterValidator(check_redis)] = Field(
        default=None,
        description="Where requests are counted, as redis://host/1; empty: the broker's Redis.",
    )
    downloads: PositiveInt = Field(
        default=16,
        description="Large results, manifests and archives that one API process sends at the same "
        "time; half of them for each tenant.",
    )
    idempotency_seconds: PositiveInt = Field(
        default=24 * 3600, description="How long the answer to an Idempotency-Key is kept."
    )
