"""The body of a new batch: a sheet as a file with fields beside it, or rows as JSON."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlmodel import Session
from starlette.datastructures import FormData, UploadFile

from api.schemas.requests import BatchFields, BatchRequest
from api.submission.mappings import recall_of
from api.submission.recipes import use_recipe
from catalogue.checks import check_line
from catalogue.sheets.json_lines import parse_json
from catalogue.sheets.model import Recall, Room, Sheet
from catalogue.sheets.readers import read_rows, read_sheet
from core.errors import InvalidRequestError, UnsupportedMediaTypeError

M = TypeVar("M", bound=BatchFields)

MOST_FIELDS = 50


@dataclass(frozen=True, kw_only=True)
class Upload:
    """A body that was received; nothing in it is checked yet."""

    content: bytes
    name: str = ""
    """The file's name."""
    content_type: str
    fields: dict[str, str] | None = None
    """The form's other fields; None when the body is JSON."""

    def may_name(self, field: str) -> bool:
        """Check, without reading all of it, whether a field may be given."""
        return field in self.fields if self.fields is not None else field.encode() in self.content

    def read_fields(self) -> BatchFields:
        """Read the fields, and the rows of a JSON body with them.

        Raises:
            RequestValidationError: A field does not fit.
            InvalidSheetError: The JSON is too large.
        """
        if self.fields is None:
            return _validate(BatchRequest, self._json())
        return _validate(BatchFields, self.fields)

    def read_sheet(
        self,
        fields: BatchFields,
        models: Sequence[str],
        *,
        recall: Recall | None = None,
        max_rows: int,
    ) -> Sheet:
        """Read the sheet, as the fields say; lines that cannot be read are in its `issues`.

        Args:
            fields: What came with it.
            models: Names of the models that there are.
            recall: What knows mappings that were said before.
            max_rows: Most of its rows.

        Raises:
            InvalidSheetError: Nothing of it can be read, or it is too large.
        """
        hints, room = fields.hints(models, recall), Room(max_rows=max_rows)
        if isinstance(fields, BatchRequest):
            return read_rows(fields.rows, hints, room)
        return read_sheet(
            self.content, name=self.name, content_type=self.content_type, hints=hints, room=room
        )

    def _json(self) -> Any:
        try:
            text = self.content.decode("utf-8-sig")
            Room().check_json(text)
            return parse_json(text)
        except (ValueError, RecursionError) as error:
            raise InvalidRequestError(f"The body is not valid JSON ({error}).") from error


@dataclass(frozen=True, kw_only=True)
class SheetRequest:
    """A sheet as it was read, and what was sent with it."""

    sheet: Sheet
    fields: BatchFields
    """What the request says, its recipe included."""
    name: str
    """What to call the batch."""
    recipe: str | None
    """The recipe's `name@version`."""
    says_columns: bool = False
    """Whether the request itself says what columns mean, so that it is remembered."""


def read_request(
    session: Session, tenant: str, upload: Upload, models: Sequence[str], *, max_rows: int
) -> SheetRequest:
    """Read what was uploaded, with the recipe that it names.

    Raises:
        NotFoundError: The tenant has no such recipe.
        RequestValidationError: A field does not fit.
        InvalidSheetError: Nothing of the sheet can be read, or it is too large.
    """
    own = upload.read_fields()
    fields, recipe = use_recipe(session, tenant, own)
    recall = recall_of(session, tenant)
    return SheetRequest(
        sheet=upload.read_sheet(fields, models, recall=recall, max_rows=max_rows),
        fields=fields,
        name=fields.name or upload.name,
        recipe=recipe,
        says_columns=own.is_to_remember,
    )


async def receive_upload(request: Request) -> Upload:
    """Receive the body of a new batch.

    Raises:
        UnsupportedMediaTypeError: It is neither a form nor JSON.
        InvalidRequestError: The form has no file.
    """
    content_type = request.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == "application/json":
        return Upload(content=await request.body(), content_type=media_type)
    if media_type != "multipart/form-data":
        raise UnsupportedMediaTypeError(
            f"{content_type or 'A body without Content-Type'} is not taken here: send "
            "`multipart/form-data` with a `file`, or `application/json`."
        )
    async with receive_form(request, most_files=1) as (_, upload):
        return upload


@asynccontextmanager
async def receive_form(
    request: Request, *, most_files: int
) -> AsyncIterator[tuple[FormData, Upload]]:
    """Receive a form with a sheet, which is closed behind the block.

    Raises:
        InvalidRequestError: It has no file.
    """
    async with request.form(max_files=most_files, max_fields=MOST_FIELDS) as form:
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise InvalidRequestError(
                "The form has no `file`: send the sheet as a file, for example with "
                "`curl -F file=@products.csv`."
            )
        upload = Upload(
            content=await run_in_threadpool(file.file.read),
            name=_file_name(file.filename or ""),
            content_type=file.content_type or "",
            # A form sends a field that was left empty as an empty text.
            fields={name: value for name, value in fields.items() if value != ""},
        )
        yield form, upload


def _file_name(name: str) -> str:
    return "" if check_line(name) else name[-200:]


def _validate(model: type[M], values: Any) -> M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


def document_upload() -> dict[str, Any]:
    """Describe the body for OpenAPI, which cannot see it in the route's signature."""
    json_schema = _schema(BatchRequest)
    json_schema["properties"]["rows"]["items"] = {"type": "object"}
    form_schema = _schema(BatchFields)
    for field in form_schema["properties"].values():
        _describe_in_form(field)
    form_schema["properties"]["file"] = {
        "type": "string",
        "format": "binary",
        "description": "XLSX, XLS, ODS, CSV or JSONL with at least `sku`, or an export of Shopify, "
        "WooCommerce or Google Merchant (TSV or XML).",
    }
    form_schema["required"] = ["file"]
    content = {
        "multipart/form-data": {"schema": form_schema},
        "application/json": {"schema": json_schema},
    }
    return {"requestBody": {"required": True, "content": content}}


def _describe_in_form(field: dict[str, Any]) -> None:
    """Leave out what a form cannot say: null, lists and objects are texts there."""
    kinds = [one for one in field.pop("anyOf", [field]) if one.get("type") != "null"]
    field.pop("default", None)
    if len(kinds) > 1:
        field["anyOf"] = kinds
    else:
        field |= kinds[0]
    if field.get("type") == "array":
        pattern = "|".join(map(re.escape, field.pop("items")["enum"]))
        field |= {"type": "string", "pattern": f"^({pattern})(,({pattern}))*$"}
    elif field.get("type") == "object":
        field.pop("additionalProperties")
        field |= {"type": "string", "contentMediaType": "application/json"}


def _schema(model: type[BatchFields]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return schema
