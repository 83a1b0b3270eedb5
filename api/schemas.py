"""The JSON that goes in and out."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.image_schemas import DecidedParameters, Line, RequestedParameters, Text, describe
from api.rendition_schemas import Channels, RenditionLink
from api.sheet_fields import ColumnNames, Encoding, Separator
from api.sheet_schemas import SheetReading, SheetWarning
from catalogue.mapping import PARAMETERS
from catalogue.prompts.templates import LONGEST_TEMPLATE
from catalogue.sheets.model import Hints, SheetSource
from core.domain.cache_mode import CacheMode
from core.domain.lanes import Lane
from core.domain.states import BatchState, CacheOutcome, JobState
from core.egress.url import LONGEST

LONGEST_DEADLINE = 30 * 24 * 3600.0
"""Seconds."""
MOST_PREVIEWED = 10_000
"""Images of a dry run."""


RecipeReference = Annotated[
    Line,
    Field(
        max_length=120,
        description="A recipe, `name` or `name@version`, for what the request does not say.",
    ),
]


class Fields(RequestedParameters):
    """What every request may say about its images; the model's defaults fill the rest."""

    model_config = ConfigDict(extra="forbid")

    deadline_seconds: float | None = Field(
        None,
        gt=0,
        le=LONGEST_DEADLINE,
        description="Images that are not ready after so many seconds fail.",
    )

    callback_url: str | None = Field(
        None,
        max_length=LONGEST,
        description="Where the end of the job or batch is told, signed with the secret of "
        "`POST /v1/callbacks/secret`.",
    )

    cache: CacheMode | None = Field(
        None,
        description="use: a stored image may answer; refresh: compute it anew and replace what is "
        "stored; bypass: neither read nor answer anything. Without it the key or the server "
        "decides.",
    )
    approximate: bool | None = Field(
        None,
        description="Whether an image may begin with the latents of a near prompt's, which spares "
        "steps; without it the key or the server decides.",
    )

    channels: Channels | None = Field(
        None,
        description="What each image is wanted for, as in docs/channels.md: google_merchant, "
        "amazon_secondary, walmart, ebay, shopify, web, thumbnail; web.avif for another format.",
    )
    file_name: Text | None = Field(
        None,
        max_length=LONGEST_TEMPLATE,
        description="Jinja2 over sku, variant, number, line, channel and extension; names files.",
    )

    def parameters(self) -> dict[str, Any]:
        """Give what the catalogue checks and fills up."""
        return self.model_dump(include={*PARAMETERS, "template"})


class JobRequest(Fields):
    """One wanted image."""

    prompt: Text = Field(description=describe("prompt"))
    variant: int = Field(1, description="From 1; another variant is another image.")
    sku: Line = Field("", max_length=200, description="The product, for your own use.")
    lane: Lane = Field(Lane.INTERACTIVE, description="Queue.")
    recipe: RecipeReference | None = None


class SheetFields(Fields):
    """What applies to every row of a sheet that does not say otherwise; a recipe can hold it."""

    template: Text | None = Field(
        None, description="Jinja2; makes the prompt of rows without one of their columns."
    )
    variants: int | None = Field(None, description="Images per row.")
    lane: Lane = Field(Lane.STANDARD, description="Queue.")
    source: SheetSource | None = Field(
        None, description="Whose export the sheet is; without it that is found out."
    )
    encoding: Encoding | None = Field(
        None, description="The file's encoding, such as windows-1252; without it, it is found out."
    )
    separator: Separator | None = Field(
        None,
        description="Between the cells of a line: a character, or comma, semicolon, tab or pipe; "
        "without it, it is found out.",
    )
    columns: ColumnNames | None = Field(
        None,
        description="The sheet's column by what packshot shall take it for, where their names do "
        'not say it: {"sku": "Artikel", "color": "Farbe"}. In a form as JSON.',
    )

    def hints(self) -> Hints:
        """Give what the request knows about the file."""
        return Hints(
            source=self.source,
            encoding=self.encoding,
            separator=self.separator,
            columns=self.columns or {},
        )


class BatchFields(SheetFields):
    """What a request says beside its sheet."""

    name: Line | None = Field(None, max_length=200, description="What to call the batch.")
    recipe: RecipeReference | None = None
    dry_run: bool = Field(
        False,
        description="Check the sheet and say what would become of it; nothing is stored or queued.",
    )
    preview: int = Field(
        20, ge=0, le=MOST_PREVIEWED, description="How many images a dry run describes."
    )


class BatchRequest(BatchFields):
    """Rows sent as JSON."""

    rows: list[Any] = Field(description="One object per product, with at least `sku`.")


class JobError(BaseModel):
    """Why there is no image."""

    code: str
    message: str
    retry_helps: bool = Field(description="Whether asking for the same image again may succeed.")


class ImageView(BaseModel):
    """Where an image is."""

    url: str = Field(description="Path on this server.")
    content_type: str
    digest: str = Field(description="SHA-256 of the bytes, hex; also the ETag.")
    size: int = Field(description="Bytes.")
    width: int
    height: int


class ApproximationView(BaseModel):
    """What an image began with, if not with noise."""

    steps_spared: int = Field(description="K: steps of its schedule that were not computed.")
    similarity: float = Field(description="Cosine between the two prompts' embeddings.")
    source_job: UUID | None = Field(description="A job that the other image was computed for.")


class JobHead(BaseModel):
    """Which image a job is about, and how that stands."""

    id: UUID
    batch_id: UUID | None
    generation_id: UUID | None = Field(
        description="What computes it, maybe for other jobs too: its task in Flower, and the "
        "`generation` of the workers' log lines; null: it came from store."
    )
    sku: str
    variant: int
    line: int | None = Field(description="Line of the sheet.")
    state: JobState
    cache: CacheOutcome = Field(description="What served it.")
    approximation: ApproximationView | None = Field(
        description="The near prompt whose latents its image began with; null: with noise."
    )


class JobView(DecidedParameters, JobHead):
    """One wanted image, as it stands."""

    lane: Lane
    warning: str | None
    error: JobError | None
    seconds: float | None = Field(
        description="What computing the image took: its share of every model call that it was in, "
        "where calls of several streams run at the same time. 0 from store, null while it is not "
        "finished."
    )
    image: ImageView | None
    file_name: str | None = Field(
        description="What the image is called, where channels or names were asked for."
    )
    renditions: list[RenditionLink] = Field(
        description="The image as the channels that were asked for want it."
    )
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class ManifestEntry(JobView):
    """One line of a batch's manifest.jsonl."""

    row: dict[str, Any] = Field(description="The sheet's cells; of a CSV those that are not empty.")


class Counts(BaseModel):
    """Jobs by state."""

    queued: int = 0
    running: int = 0
    succeeded: int = 0
    failed: int = 0
    canceled: int = 0


class BatchLinks(BaseModel):
    """Where to go from a batch: paths on this server."""

    self: str
    items: str
    results: str
    images: str = Field(description="All images as one ZIP; `?channel=` for a channel's.")
    manifest: str = Field(description="JSONL, an image in each line.")
    cancel: str
    retry: str


class BatchView(BaseModel):
    """One sheet, as it stands."""

    id: UUID
    name: str
    state: BatchState
    lane: Lane
    total: int = Field(description="Images.")
    counts: Counts
    waiting_for_model: int = Field(
        description="Queued images whose model no worker serves, while workers serve another one: "
        "they wait until one does, or the operator moves them (`packshot model requeue`)."
    )
    detected: SheetReading | None = Field(
        description="How the sheet was read; null: the batch is older than that."
    )
    recipe: str | None = Field(description="The recipe that it was made with: `name@version`.")
    warnings: list[SheetWarning]
    notes: list[SheetWarning] = Field(description="What is right and good to know.")
    created_at: datetime
    finished_at: datetime | None
    links: BatchLinks


class BatchPage(BaseModel):
    """Some batches, newest first."""

    items: list[BatchView]
    next: str | None = Field(description="Cursor of the page that follows; null on the last.")


class JobPage(BaseModel):
    """Some jobs of a batch, in the order of its sheet."""

    items: list[JobView]
    next: str | None = Field(description="Cursor of the page that follows; null on the last.")


class OutcomeCount(BaseModel):
    """How often something happened in a cache, and what it saved."""

    number: int
    steps_saved: float = Field(description="UNet steps that were not computed.")
    seconds_saved: float = Field(
        description="Seconds of computing (as a job's `seconds`), as far as known."
    )


class CacheHeld(BaseModel):
    """What a cache holds of yours at the moment."""

    size: int = Field(description="Bytes.")
    entries: int


class CacheLevel(BaseModel):
    """What one cache did for your jobs."""

    level: str = Field(description="result, in_flight or approximate.")
    outcomes: dict[str, OutcomeCount] = Field(description="By hit and, where known, miss.")
    stored: CacheHeld | None = Field(description="null: it stores nothing.")


class CacheStats(BaseModel):
    """What the caches did for your newest jobs, level by level."""

    jobs: int = Field(description="Jobs of the last 30 days that are counted, the newest 100,000.")
    since: datetime | None = Field(description="When the oldest of them was asked for.")
    levels: list[CacheLevel]


class Purge(BaseModel):
    """Which stored images to let go; all that match what is given."""

    model_config = ConfigDict(extra="forbid")

    prompt: Text | None = Field(None, description="Of this prompt.")
    bundle_revision: Line | None = Field(None, description="Made by this model bundle.")
    all: bool = Field(False, description="Everything; not together with the others.")
    named: bool = Field(
        False,
        description="Delete also what running batches and recent results name; those have no "
        "image from then on. Otherwise that goes when its time of retention is over.",
    )


class PurgeResult(BaseModel):
    """What was purged."""

    images: int = Field(description="Images that answer no more.")
    latents: int = Field(description="Latents that nothing begins with any more.")


class Health(BaseModel):
    """The process is alive."""

    status: str = "ok"


class Component(BaseModel):
    """One thing that the API depends on."""

    ok: bool
    required: bool = Field(description="Whether requests are refused without it.")
    address: str
    detail: str | None = Field(description="Why it is not there, and what to do.")


class Readiness(BaseModel):
    """Whether requests can be served."""

    status: str = Field(description="ready, degraded (still accepting) or unavailable.")
    components: dict[str, Component]
