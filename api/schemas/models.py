"""The JSON of models."""

from pydantic import BaseModel, Field

from api.schemas.parameters import ModelDefaults


class ModelSizes(BaseModel):
    """Widths and heights that a model makes, in pixels."""

    min: int
    max: int
    multiple_of: int


class ModelPreset(BaseModel):
    """What a preset of a model stands for."""

    name: str = Field(description="draft, standard or best.")
    steps: int
    guidance_scale: float
    guidance_start: float | None = Field(description="Null: the model's own.")
    guidance_end: float | None = Field(description="Null: the model's own.")
    scheduler: str
    scores: dict[str, float] = Field(description="What its images scored, by name.")


class ModelScheduler(BaseModel):
    """A sampling method that a model works with."""

    name: str
    least_steps: int
    most_steps: int = Field(description="The server's own limit may be lower.")


class ModelView(BaseModel):
    """A model that requests can name, as it is at the moment."""

    name: str = Field(description="What requests, rows and recipes call it.")
    default: bool = Field(description="Whether it makes the images of requests that name none.")
    problem: str | None = Field(
        description="That its bundle cannot be used, and who says why; then the rest is null."
    )
    revision: str | None = Field(description="Of its bundle.")
    sizes: ModelSizes | None
    defaults: ModelDefaults | None
    presets: list[ModelPreset] | None = Field(
        description="What requests may name as `preset`, from the cheapest to the costliest; "
        "`standard` is the default. Empty: nobody measured them."
    )
    schedulers: list[ModelScheduler] | None
    masked_by: str | None = Field(
        description="The model that draws in its place where a mask says what may change: edits "
        "with a mask, and blends. Null: it does itself."
    )
    max_tokens: int | None = Field(
        description="What it reads of a prompt, a start and an end token included."
    )
    prompt_weights: bool | None = Field(
        description="Whether `(word:1.2)`, `((word))` and `[word]` weigh words; where not, "
        "brackets are text."
    )
    workers: int = Field(description="Those that serve this revision now.")
    images_per_call: float | None = Field(
        description="Images that lately shared a call of its UNet, on average over its workers. "
        "Null: they have drawn none since they started."
    )
    waiting_images: int = Field(description="Your images that are queued for this revision.")


class OtherRevision(BaseModel):
    """A revision that images of yours wait for, and that no model has any more."""

    revision: str
    workers: int = Field(description="Those that still serve it.")
    waiting_images: int


class ModelList(BaseModel):
    """The models in their order, the default first."""

    items: list[ModelView]
    others: list[OtherRevision] = Field(
        description="Replaced revisions for which images of yours are queued: the operator brings "
        "them back, or moves or fails the images (`packshot model requeue`)."
    )
