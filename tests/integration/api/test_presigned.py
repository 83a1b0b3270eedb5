"""Callers may reach S3 at another address than this project's processes."""

from urllib.parse import urlsplit

import httpx

from core.storage import Storage


def test_presigned_urls_lead_to_the_public_address(settings, storage):
    stored = storage.put_image(
        b"pixels", tenant="shop", fingerprint="f" * 64, extension="png", content_type="image/png"
    )
    inner = urlsplit(settings.s3_endpoint_url)
    # The same server, by the other name of this machine.
    public = f"http://localhost:{inner.port}"
    outside = Storage(settings.model_copy(update={"s3_public_url": public}))

    url = outside.presign(stored.key)

    assert url.startswith(public)
    assert httpx.get(url).content == b"pixels"
    assert storage.presign(stored.key).startswith(settings.s3_endpoint_url)
    assert b"".join(outside.stream(stored)) == b"pixels", "it reads at the inner address"
