"""API."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, PositiveFloat, PositiveInt

from core.settings.services import check_redis


class ApiSettings(BaseModel):
    """The API: addresses and limits."""

    api_host: str = Field(
        default="127.0.0.1",
        description="Address on which the API listens. Use 0.0.0.0 to accept connections from "
        "other machines.",
    )
    api_port: int = Field(
        default=8000, ge=1, le=65535, description="Port on which the API listens."
    )
    api_processes: int = Field(
        default=2,
        ge=1,
        description="Number of API processes that answer requests. Each has connections and "
        "memory of its own.",
    )
    sheets_url: str = Field(
        default="",
        pattern=r"^(https?://[^/?#]+(/[^?#]*)?)?$",
        description="Address of the service that reads sheets (`python -m api.sheets`), to which "
        "the API passes `POST /v1/batches`. Leave it empty to have each API process start "
        "processes that read them.",
    )
    public_url: str = Field(
        default="",
        pattern=r"^(https?://[^/?#]+(/[^?#]*)?)?$",
        description="Address at which callers reach the API. Public image URLs and the links in "
        "webhooks begin with it.",
    )
    max_sheet_rows: PositiveInt = Field(
        default=100_000,
        description="Maximum number of rows in one sheet, and of images that it may ask for (rows "
        "× variants).",
    )
    max_upload_bytes: PositiveInt = Field(
        default=64 * 2**20,
        description="Maximum size of the body of `POST /v1/batches`, in bytes. Bodies without a "
        "file have 1 MiB at most.",
    )
    sheet_processes: int = Field(
        default=3,
        ge=2,
        description="Number of sheets that are read at the same time, each in a process of its "
        "own. A tenant has half of them at most.",
    )
    sheet_queue: int = Field(
        default=64,
        ge=2,
        description="Maximum number of sheets that are uploaded, wait or are read at the same "
        "time. A tenant has half of them at most.",
    )
    sheet_cpu_seconds: PositiveInt = Field(
        default=120, description="Maximum seconds of computing for one sheet."
    )
    sheet_seconds: PositiveInt = Field(
        default=300,
        description="Maximum seconds for which one sheet waits for its turn, and then for reading "
        "it.",
    )
    sheet_memory_bytes: PositiveInt = Field(
        default=2**30, description="Maximum memory for reading one sheet, in bytes."
    )
    max_variants: PositiveInt = Field(
        default=16, description="Maximum number of variants of one row."
    )
    max_steps: PositiveInt = Field(
        default=150, description="Maximum number of denoising steps of one image."
    )
    requests_per_minute: int = Field(
        default=0,
        ge=0,
        description="Maximum number of requests a minute for each API key that has no limit of "
        "its own. 0 means no limit.",
    )
    public_detections_per_minute: int = Field(
        default=0,
        ge=0,
        description="Maximum number of images a minute that each address may send to "
        "`POST /v1/detect` without a key. 0 asks for a key.",
    )
    queued_images: int = Field(
        default=0,
        ge=0,
        description="Maximum number of images that wait or are computed for each API key that has "
        "no limit of its own. 0 means no limit.",
    )
    rate_limit_url: Annotated[str | None, AfterValidator(check_redis)] = Field(
        default=None,
        description="Redis in which requests are counted, as redis://host:port/1. Leave it empty "
        "to use the broker's.",
    )
    downloads: PositiveInt = Field(
        default=16,
        description="Number of large results, manifests and archives that one API process sends "
        "at the same time. A tenant has half of them at most.",
    )
    openai_wait_seconds: PositiveFloat = Field(
        default=240.0,
        description="Seconds for which a request of OpenAI's API waits for its images. After them "
        "it is told how to ask for them. Proxies in front must wait longer.",
    )
    openai_waiting: int = Field(
        default=64,
        ge=2,
        description="Number of such requests that wait in one API process at the same time. A "
        "tenant has half of them at most.",
    )
    waiting_requests: int = Field(
        default=256,
        ge=2,
        description="Number of requests with `wait`, and of listeners to a batch's events, that "
        "one API process has at the same time. A tenant has half of them at most.",
    )
    idempotency_seconds: PositiveInt = Field(
        default=24 * 3600, description="Seconds for which the answer to an Idempotency-Key is kept."
    )
