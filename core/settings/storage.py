"""Stored images."""

from pydantic import BaseModel, Field, PositiveFloat, PositiveInt, SecretStr


class StorageSettings(BaseModel):
    """Images in S3, and how they are signed."""

    s3_endpoint_url: str | None = Field(
        default=None, description="S3 endpoint; empty for AWS's own."
    )
    s3_public_url: str | None = Field(
        default=None,
        description="Address of the same S3 for callers, in presigned URLs; empty: the endpoint.",
    )
    s3_bucket: str = Field(default="packshot", description="Bucket that holds the images.")
    s3_region: str = Field(default="us-east-1", description="Region of the bucket.")
    s3_access_key_id: str | None = Field(
        default=None, description="S3 access key; empty for the machine's own credentials."
    )
    s3_secret_access_key: SecretStr | None = Field(
        default=None, description="S3 secret key; empty for the machine's own credentials."
    )
    s3_timeout: PositiveFloat = Field(
        default=10.0,
        description="Seconds that S3 may be silent in an answer; the API waits for 5 at most.",
    )
    presigned_url_seconds: PositiveInt = Field(
        default=3600, description="Life of a presigned image URL, in seconds."
    )
    inspection_bytes: int = Field(
        default=16 * 2**20,
        ge=0,
        description="Bytes of stored images, renditions and photographs that the housekeeping "
        "reads in each pass (`PACKSHOT_JANITOR_SECONDS`) to find damaged ones; 0 none.",
    )
    c2pa_certificate: str = Field(
        default="",
        description="PEM file of the certificates that sign images (C2PA); empty: no signature.",
    )
    c2pa_key: str = Field(
        default="", description="PEM file of the signing certificate's P-256 key."
    )
