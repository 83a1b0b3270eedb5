"""What requests say: of one image, of a sheet, of a sheet's file."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field

from api.schemas.addresses import Address
from api.schemas.job_examples import EXAMPLES
from api.schemas.parameters import Line, Prompt, RequestedParameters, Text, describe
from api.schemas.photographs import FinishFields, PhotographReference, SentPhotographs
from api.schemas.renditions import Channels
from api.schemas.sheet_fields import ColumnNames, Encoding, Mapping, OnError, Separator
from api.schemas.strict import StrictModel
from catalogue.mapping import PARAMETERS
from catalogue.prompts.templates import LONGEST_TEMPLATE
from catalogue.sheets.model import Hints, Recall, SheetSource
from core.domain.cache_mode import CacheMode
from core.domain.lanes import Lane
from core.domain.photograph_spec import ImageMode
from core.recipes import NAME

LONGEST_DEADLINE = 30 * 24 * 3600.0
"""Seconds."""
MOST_PREVIEWED = 10_000
"""Images of a dry run."""
MOST_CHECKED = 1000
"""Addresses of photographs that a dry run fetches."""
RecipeReference = Annotated[
    Line,
    Field(
        max_length=120,
        json_schema_extra={"pattern": rf"^{NAME}(@[1-9][0-9]{{0,8}})?$"},
        description="A recipe, `name` or `name@version`, for what the request does not say.",
    ),
]


ModelName = Annotated[
    Line,
    AfterValidator(str.lower),
    Field(
        max_length=64,
        description="Which model makes the images: a name of `GET /v1/models`, whose first is the "
        "one without it. A sheet's column `model` names one for a row.",
    ),
]


class Fields(RequestedParameters, FinishFields, StrictModel):
    """What every request may say about its images; the model's defaults fill the rest."""

    mode: ImageMode | None = Field(
        None,
        description="text (default): a model draws the image from its prompt. cutout: the product "
        "of a photograph, its own pixels, without its background. scene: the same in a background "
        "that a model draws from the prompt, alone. edit: the photograph, drawn anew by the "
        "prompt, wholly or where a mask is light (docs/photographs.md).",
    )
    model: ModelName | None = None
    preset: Line | None = Field(
        None,
        max_length=64,
        description="Steps, guidance scale and scheduler as measured for the model: draft, "
        "standard or best, where `GET /v1/models` lists them. What the request or a row names of "
        "these itself wins.",
    )
    deadline_seconds: float | None = Field(
        None,
        gt=0,
        le=LONGEST_DEADLINE,
        description="Images that are not ready after so many seconds fail.",
    )

    callback_url: Address | None = Field(
        None,
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

    require_approval: bool | None = Field(
        None,
        description="Whether images are given out only when somebody approved them: at public "
        "addresses, in ZIPs, as renditions (docs/review.md).",
    )

    channels: Channels | None = Field(
        None,
        description="What each image is wanted for, as in docs/channels.md: google_merchant, "
        "amazon_main (cut-outs only), amazon_secondary, walmart, ebay, shopify, web, thumbnail; "
        "web.avif for another format.",
    )
    file_name: Text | None = Field(
        None,
        max_length=LONGEST_TEMPLATE,
        description="Jinja2 over sku, variant, number, line, channel and extension; names files.",
    )

    def parameters(self) -> dict[str, Any]:
        """Return what the catalogue checks and fills up."""
        return self.model_dump(include={*PARAMETERS, "template", "model", "preset", "clean_titles"})


def _needs(field: str) -> dict[str, Any]:
    return {"required": [field], "properties": {field: {"type": "string"}}}


def _of(modes: Sequence[ImageMode]) -> dict[str, Any]:
    values = [mode.value for mode in modes]
    return {"required": ["mode"], "properties": {"mode": {"enum": values}}}


class JobRequest(Fields):
    """One wanted image."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": list(EXAMPLES),
            # What a recipe says is known to the server only.
            "allOf": [
                {
                    "if": _of([ImageMode.CUTOUT, ImageMode.SCENE, ImageMode.EDIT]),
                    "then": _needs("source"),
                },
                {
                    "if": _of([ImageMode.CUTOUT]),
                    "else": _needs("prompt"),
                },
            ],
        }
    )

    prompt: Prompt | None = Field(
        None, description=f"{describe('prompt')} All but cut-outs need one."
    )
    source: PhotographReference | None = Field(
        None,
        description="The photograph of a cut-out, a scene or an edit: a source's id or digest, or "
        "an address.",
    )
    mask: PhotographReference | None = Field(
        None,
        description="What shows where the product is, light on dark or by its transparency, of "
        "the photograph's size: a source's id or digest, or an address. Of an edit, the same of "
        "where it may be drawn anew.",
    )
    variant: int = Field(
        1, json_schema_extra={"minimum": 1}, description="From 1; another variant is another image."
    )
    sku: Line = Field("", max_length=200, description="The product, for your own use.")
    lane: Lane = Field(Lane.INTERACTIVE, description="Queue.")
    recipe: RecipeReference | None = None


class SheetFields(Fields):
    """What applies to every row of a sheet that does not say otherwise; a recipe can hold it."""

    template: Text | None = Field(
        None, description="Jinja2; makes the prompt of rows without one of their columns."
    )
    clean_titles: bool = Field(
        True,
        description="Whether titles lose what says nothing of a look before prompts are made of "
        "them: codes, sizes, prices, words of sales, emoji, their brand.",
    )
    variants: Annotated[int, Field(json_schema_extra={"minimum": 1})] | None = Field(
        None, description="Images per row."
    )
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
    worksheet: Line | None = Field(
        None,
        max_length=100,
        description="Which worksheet of a workbook; without it, the first that is shown and has "
        "rows below names of columns.",
    )
    columns: ColumnNames | None = Field(
        None,
        description="The sheet's column by what packshot shall take it for, where their names do "
        'not say it: {"sku": "Artikel", "color": "Farbe"}. In a form as JSON.',
    )

    mapping: Mapping | None = Field(
        None,
        description="Without it `columns` alone, else what was said before of a sheet with the "
        "same header (`GET /v1/mappings`). auto: columns of a plain sheet that surely are what "
        "their names and contents say are taken for it, too. named: `columns` alone. none: the "
        "same, and they are not remembered.",
    )

    on_error: OnError | None = Field(
        None,
        description="skip: bad rows are left out, and given back as `skipped.csv` with the reason "
        "of each; refuse (default): nothing is queued while one is bad.",
    )

    @property
    def takes_remembered(self) -> bool:
        """Check whether columns may be read as was said of a sheet with the same header."""
        return not self.columns and self.mapping in (None, Mapping.AUTO)

    @property
    def is_to_remember(self) -> bool:
        """Check whether what columns mean is said here, for sheets with the same header too."""
        named = bool(self.columns) and self.mapping is not Mapping.NONE
        return named or self.mapping is Mapping.AUTO

    def hints(self, models: Sequence[str], recall: Recall | None = None) -> Hints:
        """Return what is known about the file: what the request says, models, other mappings."""
        return Hints(
            models=models,
            source=self.source,
            encoding=self.encoding,
            separator=self.separator,
            worksheet=self.worksheet,
            columns=self.columns or {},
            takes_sure=self.mapping is Mapping.AUTO,
            clean_titles=self.clean_titles,
            recall=recall if self.takes_remembered else None,
        )


class BatchFields(SheetFields):
    """What a request says beside its sheet."""

    photographs: SentPhotographs | None = Field(
        None,
        description="Ids or digests of sources by the lines of the rows whose photographs they "
        "are; they win over what cells name. A dry run takes digests of what is not sent yet. In a "
        'form as JSON: {"2": "…"}.',
    )

    name: Line | None = Field(None, max_length=200, description="What to call the batch.")
    recipe: RecipeReference | None = None
    dry_run: bool = Field(
        False,
        description="Check the sheet and say what would become of it; nothing of it is stored or "
        "queued.",
    )
    check_photographs: int = Field(
        0,
        ge=0,
        le=MOST_CHECKED,
        description="How many addresses of photographs a dry run fetches, for half a minute at "
        "most, to say what they give. What comes is kept for when the sheet is sent.",
    )
    preview: int = Field(
        20, ge=0, le=MOST_PREVIEWED, description="How many images a dry run describes."
    )
    shared: int = Field(
        20,
        ge=0,
        le=MOST_PREVIEWED,
        description="How many images that several rows will share a dry run lists.",
    )


class BatchRequest(BatchFields):
    """Rows sent as JSON."""

    rows: list[Any] = Field(description="One object per product, with at least `sku`.")
