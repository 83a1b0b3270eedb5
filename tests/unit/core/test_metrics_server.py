"""Where a worker's counts are read, and by whom."""

import socket

import httpx
import pytest

from core.errors import InvalidSettingError
from core.metrics_server import serving_metrics
from core.settings import Settings
from local.ports import free_port
from worker.metrics import STAGE_SECONDS


def settings_with(**values: object) -> Settings:
    return Settings(_env_file=None, **values)


def test_whoever_has_the_token_reads_them():
    port = free_port()
    STAGE_SECONDS.labels("unet").observe(0.5)
    url = f"http://127.0.0.1:{port}/metrics"
    settings = settings_with(worker_metrics_port=port, metrics_token="t0ken")
    with serving_metrics(settings, "worker_metrics_port"):
        for header in ("", "Bearer", "Bearer other"):
            answer = httpx.get(url, headers={"Authorization": header}, trust_env=False)
            assert answer.status_code == 401
            assert "PACKSHOT_METRICS_TOKEN" in answer.text
        answer = httpx.get(url, headers={"Authorization": "Bearer t0ken"}, trust_env=False)
    assert answer.status_code == 200
    assert 'packshot_stage_seconds_bucket{le="1.0",stage="unet"}' in answer.text
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def test_without_a_token_nobody_reads_them():
    port = free_port()
    with serving_metrics(settings_with(worker_metrics_port=port), "worker_metrics_port"):
        for header in ("", "Bearer", "Bearer None"):
            url = f"http://127.0.0.1:{port}/metrics"
            answer = httpx.get(url, headers={"Authorization": header}, trust_env=False)
            assert answer.status_code == 401


def test_a_port_in_use_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        wrong = settings_with(housekeeping_metrics_port=port)
        with (
            pytest.raises(InvalidSettingError, match=f"127.0.0.1:{port}") as refused,
            serving_metrics(wrong, "housekeeping_metrics_port"),
        ):
            pytest.fail("it was served")
    assert "PACKSHOT_HOUSEKEEPING_METRICS_PORT" in str(refused.value)


def test_without_a_port_nothing_is_served():
    with serving_metrics(settings_with(worker_metrics_port=1), "housekeeping_metrics_port"):
        pass
