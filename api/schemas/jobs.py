"""Jobs as they stand."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from api.schemas.parameters import DecidedParameters, Line
from api.schemas.photographs import PhotographView, QualityView
from api.schemas.renditions import RenditionLink
from api.schemas.strict import StrictModel
from catalogue.alt_texts import MOST_STORED
from core.domain.approval import Approval
from core.domain.lanes import Lane
from core.domain.photograph_spec import ImageMode
from core.domain.states import CacheOutcome, JobState
from core.pictures.provenance import AiUse


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


class ApprovalView(BaseModel):
    """What somebody said last of a job's image."""

    state: Approval
    by: str | None = Field(description="The name of the key that said it.")
    at: datetime | None
    reason: str | None
    version: int = Field(description="Judgements so far: name it when you judge.")


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
    model: str | None = Field(description="What requests call the model that makes it.")
    revision: str | None = Field(
        description="Of that model's bundle; null, as `model`, in jobs that are older than names."
    )
    cache: CacheOutcome = Field(description="What served it.")
    approximation: ApproximationView | None = Field(
        description="The near prompt whose latents its image began with; null: with noise."
    )


class JobView(DecidedParameters, JobHead):
    """One wanted image, as it stands."""

    mode: ImageMode = Field(
        description="text: a model drew it; cutout: it shows a photograph's product; scene: "
        "that, in a background that a model drew."
    )
    photograph: PhotographView | None = Field(
        description="What is wanted of which photograph; null where the mode is text."
    )
    quality: QualityView | None = Field(
        description="How far the product is the photograph's own; null where there is no image "
        "yet, and where the mode is text."
    )
    ai_use: AiUse | None = Field(
        description="How much of the image a machine made, as forms of market-places ask it: none "
        "(a photograph, or its product cut out), edited (a photograph of which a part was drawn), "
        "composed (a photograph's product in what was drawn), generated; null: there is no image."
    )
    alt_text: str = Field(
        description="What stands for the image where it is not seen: of the product's title and "
        "look. Empty: nothing is known of it."
    )
    lane: Lane
    warning: str | None
    error: JobError | None
    seconds: float | None = Field(
        description="What computing the image took: its share of every model call that it was in, "
        "where calls of several streams run at the same time. 0 from store, null while it is not "
        "finished."
    )
    image: ImageView | None
    require_approval: bool = Field(
        description="Whether the image is given out only when it is approved."
    )
    approval: ApprovalView
    replaces: UUID | None = Field(
        description="The job of the same row that this one was made in place of; it may be deleted."
    )
    file_name: str | None = Field(
        description="What the image is called, where channels or names were asked for."
    )
    renditions: list[RenditionLink] = Field(
        description="The image as the channels that were asked for want it."
    )
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class AltTextRequest(StrictModel):
    """An image's alternative text."""

    alt_text: Line = Field(
        max_length=MOST_STORED,
        description="What stands for the image where it is not seen, in a sentence or less.",
    )


class ManifestEntry(JobView):
    """One line of a batch's manifest.jsonl."""

    row: dict[str, Any] = Field(description="The sheet's cells; of a CSV those that are not empty.")


class JobPage(BaseModel):
    """Some jobs: those of a batch in the order of its sheet, others newest first."""

    items: list[JobView]
    next: str | None = Field(description="Cursor of the page that follows; null on the last.")
