"""Make the bucket unless it is there."""

from botocore.exceptions import ClientError

from core.settings import get_settings
from core.storage import Storage


def main() -> None:
    """Ask for the bucket itself: credentials of a deployment may often list no others."""
    storage = Storage(get_settings())
    try:
        storage.client.head_bucket(Bucket=storage.bucket)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        storage.client.create_bucket(Bucket=storage.bucket)


if __name__ == "__main__":
    main()
