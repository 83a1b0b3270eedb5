"""boto3's client of the configured storage."""

from typing import Any

import boto3
from botocore.config import Config

from core.settings import Settings


def make_client(settings: Settings, endpoint: str | None, silence_seconds: float) -> Any:
    """Make a client.

    Args:
        settings: The credentials, region and limits.
        endpoint: The service's address; None: AWS's own.
        silence_seconds: How long the service may send nothing before it is given up.
    """
    secret = settings.s3_secret_access_key
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key_id,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        config=Config(
            connect_timeout=settings.connect_timeout,
            read_timeout=silence_seconds,
            # Once more where a connection that was kept had ended; who can wait tries again itself.
            retries={"mode": "standard", "total_max_attempts": 2},
            # Every pool thread stores its own image.
            max_pool_connections=64,
            signature_version="s3v4",
            # Signature or TLS guard the body; older S3-compatible services reject the trailing
            # checksums that are botocore's default.
            request_checksum_calculation="when_required",
            s3={"addressing_style": "path" if endpoint else "auto"},
        ),
    )
