"""Addresses that requests name, for webhooks and callbacks."""

from typing import Annotated

from pydantic import AfterValidator, Field

from core.egress.url import LONGEST


def _address(value: str) -> str:
    if not value.strip():
        raise ValueError("It is empty. Give an address, or leave the field out.")
    return value


Address = Annotated[
    str,
    AfterValidator(_address),
    Field(
        max_length=LONGEST,
        description="http or https, a public host.",
        json_schema_extra={"format": "uri", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://"},
    ),
]
