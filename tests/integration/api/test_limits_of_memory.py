"""Sizes that workers have no memory for, refused where the API knows their limit."""

import json

import pytest

from tests.integration.api.conftest import describe_bundle


@pytest.fixture
def settings(settings, bundle):
    describe_bundle(bundle)
    for part, channels in (("unet", 320), ("vae_decoder", 128)):
        (bundle / part).mkdir()
        (bundle / part / "config.json").write_text(json.dumps({"block_out_channels": [channels]}))
    (bundle / "unet" / "openvino_model.bin").write_bytes(bytes(2**20))
    # Beside a MiB of weights room for 153 latents of 40 KiB each: not for 128 × 128 pixels' 256.
    return settings.model_copy(update={"worker_max_rss_mib": 7})


def test_what_cannot_fit_is_refused_with_what_can(client):
    asked = {"prompt": "a mug", "width": 128, "height": 128}
    answer = client.post("/v1/jobs", json=asked)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["column"] == "width"
    assert "128 × 128 pixels take more memory than the workers may use" in error["message"]
    assert "9,792 pixels at most, for example 96 in both directions" in error["message"]
    assert client.post("/v1/jobs", json=asked | {"height": 64}).status_code == 202
