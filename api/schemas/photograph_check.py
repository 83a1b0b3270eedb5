"""The JSON of what a dry run found at the addresses of photographs."""

from pydantic import BaseModel, Field


class PhotographFailure(BaseModel):
    """An address that gave no photograph that can be used."""

    address: str
    lines: list[int] = Field(description="Of the first rows that name it.")
    rows: int
    code: str = Field(description="As the rows' images would have it, if they were made now.")
    message: str
    retry_helps: bool


class PhotographSize(BaseModel):
    """How large a photograph is, as it is stored."""

    line: int = Field(description="Of the first row that names it.")
    width: int
    height: int


class PhotographCheck(BaseModel):
    """What became of the addresses that `check_photographs` had fetched."""

    addresses: int = Field(
        description="Different ones that rows name, their masks' too; those that may not be asked "
        "are among the sheet's errors."
    )
    valid: int = Field(description="Of these, fetched before and still valid: nobody was asked.")
    found: int = Field(description="That gave a photograph which can be used, now or before.")
    failed: int
    not_asked: int = Field(
        description="Beyond the limits, which the same dry run goes on with when it is sent again."
    )
    most: int = Field(description="Addresses that were to be asked at most: `check_photographs`.")
    seconds: float = Field(description="For which they were asked at most.")
    smallest: PhotographSize | None = Field(
        description="Of those found, the one with the fewest pixels. Which channels photographs "
        "are too small for is among `warnings`."
    )
    largest: PhotographSize | None
    failures: list[PhotographFailure] = Field(description="In the order of rows.")
