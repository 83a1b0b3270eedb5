"""The JSON of sheets: how they were read, and what a dry run says of them."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from api.schemas.parameters import DecidedParameters
from api.schemas.photograph_check import PhotographCheck
from api.schemas.photographs import PhotographView
from catalogue.sheets.model import SheetFormat, SheetSource
from core.domain.photograph_spec import ImageMode
from core.domain.states import CacheOutcome


class SheetReading(BaseModel):
    """How a sheet was read: detected, or as the request said."""

    format: SheetFormat
    source: SheetSource = Field(
        description="Whose export it is; `plain`: columns mean their names."
    )
    encoding: str | None = Field(description="null: rows came as JSON.")
    separator: str | None = Field(description="null: there is none.")
    worksheet: str | None = Field(None, description="Of a workbook, which was read.")
    columns: dict[str, str] = Field(
        description="The sheet's column by what packshot takes it for: sku, title, prompt, …"
    )
    template: str | None = Field(
        description="What makes the prompts of rows without one when the request has no template."
    )
    skipped: int = Field(description="Rows that are no product of their own.")


class SheetWarning(BaseModel):
    """Something about a place in a sheet."""

    line: int | None
    column: str | None
    cell: str | None = Field(None, description="Where that is in a workbook: B7.")
    message: str


class PreviewHead(BaseModel):
    """Which image of a sheet is meant."""

    line: int | None = Field(description="Line of the sheet.")
    sku: str
    variant: int


class TitleChange(BaseModel):
    """What a prompt says of its row's title."""

    written: str = Field(description="As the sheet writes it.")
    used: str = Field(
        description="What of it the prompt is made of; the same with `clean_titles` false, but "
        "for another variant's look."
    )


class TitleSummary(BaseModel):
    """What became of a sheet's titles on their way into prompts."""

    used: int = Field(description="Rows whose prompt has their title.")
    changed: int = Field(description="Of those, rows whose title lost something.")
    translated: int = Field(description="Rows of whose prompts the glossary replaced words.")


class PreviewImage(DecidedParameters, PreviewHead):
    """One image that a sheet would ask for."""

    mode: ImageMode
    photograph: PhotographView | None

    files: dict[str, str] = Field(
        description="File names by channel, where somebody asks for channels or names."
    )
    model: str = Field(description="Which makes it.")
    revision: str = Field(description="Of that model's bundle.")
    cache: CacheOutcome = Field(description="What would serve it now.")
    title: TitleChange | None = Field(description="null: the prompt has no title of its row.")
    warning: str | None


class RepeatedSku(BaseModel):
    """A SKU that more than one row has."""

    sku: str
    lines: list[int] = Field(description="The first of them.")
    rows: int


class SharedImage(BaseModel):
    """One image that several rows will have."""

    prompt: str
    rows: int
    skus: list[str] = Field(description="Of the first 100 rows.")
    lines: list[int] = Field(description="Of the first 100 rows.")
    differences: dict[str, list[str]] = Field(
        description="The options, attributes or titles in which the rows differ, with their first "
        "values; empty where they do not."
    )
    visible: list[str] = Field(
        description="Those of them that an image should show: not sizes. A template can use them."
    )


class SharedImages(BaseModel):
    """Rows whose images will be the same, and are made once."""

    images: int = Field(description="Images that more than one row has.")
    rows: int = Field(description="Rows that have one of them.")
    listed: list[SharedImage] = Field(description="The first images, as many as asked for.")


class Forecast(BaseModel):
    """What would become of a sheet's images, if it were sent now."""

    from_store: int = Field(description="Images that are answered at once.")
    shared: int = Field(
        description="Images that share another's computing: equal ones of the sheet, or running."
    )
    computed: int


class Estimate(BaseModel):
    """How long the computing would take, once its turn has come."""

    seconds: float | None = Field(description="null: nothing is known about this model's speed.")
    images_per_minute: float | None = Field(description="Of images like these.")
    basis: str = Field(description="Where that comes from, or what to do to know it.")


class ColumnProposal(BaseModel):
    """What a column of a plain sheet may be."""

    field: str = Field(
        description="packshot's name; price, ean and size are told apart, and make no image."
    )
    column: str
    confidence: float = Field(description="From 0 to 1.")
    sure: bool = Field(description="Whether `mapping: auto` takes it.")
    used: bool = Field(description="Whether it is read as this already.")
    reason: str
    examples: list[str]


class RememberedColumns(BaseModel):
    """What was said of a sheet with the same header before, and holds for this one."""

    id: UUID = Field(description="Of `GET /v1/mappings`.")
    columns: dict[str, str] = Field(
        description="The sheet's column by what packshot takes it for, with those that `mapping: "
        "auto` took; the empty text: none is it."
    )
    source: SheetSource | None = Field(description="Whose export such sheets were said to be.")
    last_used_at: datetime


class SheetReport(BaseModel):
    """What a dry run found: nothing was stored, queued or counted."""

    valid: bool = Field(description="Whether the sheet would be accepted as it is.")
    detected: SheetReading
    proposals: list[ColumnProposal] = Field(
        description="What columns of a plain sheet may mean; `columns` or `mapping` accepts them."
    )
    remembered: RememberedColumns | None = Field(
        description="By which its columns were read, as nothing else was said; null: by none."
    )
    recipe: str | None = Field(description="The recipe it would be made with: `name@version`.")
    rows: int = Field(description="Products.")
    photographs: int = Field(
        description="Rows with the address of a photograph; whether it is there says "
        "`photograph_check`."
    )
    photograph_check: PhotographCheck | None = Field(
        description="null: `check_photographs` asked for none."
    )
    images: int = Field(description="Of the rows without errors.")
    equal_images: int = Field(description="Of those, images that equal an earlier one.")
    shared_images: SharedImages
    repeated_skus: list[RepeatedSku] = Field(description="The first of them.")
    titles: TitleSummary
    forecast: Forecast
    estimate: Estimate
    preview: list[PreviewImage] = Field(description="The first images, as many as asked for.")
    skipped: list[SheetWarning] = Field(
        description="With `on_error: skip`, the rows that are left out, and why."
    )
    errors: list[SheetWarning] = Field(description="Every bad place; the first 1,000.")
    errors_left_out: int
    warnings: list[SheetWarning]
    notes: list[SheetWarning] = Field(description="What is right and good to know.")
