"""`python -m ops.webhooks`, killed and stopped."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.domain.states import DeliveryState
from tests.integration.shop import poll
from tests.receiver import Reply

pytestmark = pytest.mark.own_database

ROOT = Path(__file__).parents[3]


@pytest.fixture
def launch(environment):
    """Start a deliverer that may call this machine."""
    processes = []

    def launch():
        process = subprocess.Popen(
            [sys.executable, "-m", "ops.webhooks"],
            cwd=ROOT,
            env=os.environ
            | environment
            | {
                "PACKSHOT_OUTBOUND_ALLOW": "127.0.0.1",
                "PACKSHOT_OUTBOUND_PORTS": "1024-65535",
                "PACKSHOT_WEBHOOK_POLL_SECONDS": "0.05",
            },
        )
        processes.append(process)
        return process

    yield launch
    for process in processes:
        process.kill()
        process.wait()


def test_a_killed_deliverers_message_is_sent_again_under_the_same_id(
    shop, listening, receive, launch
):
    receiver = receive()
    receiver.reply = lambda _: Reply(stalls=True)
    listening.register(receiver.url)
    (job_id,) = shop.want("mug").job_ids
    shop.succeed(shop.start(job_id))

    first = launch()
    poll(lambda: receiver.received)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert [one.state for one in listening.deliveries()] == [DeliveryState.PENDING]

    receiver.reply = lambda _: Reply()
    listening.hasten()
    second = launch()
    poll(lambda: [one.state for one in listening.deliveries()] == [DeliveryState.DELIVERED])
    ids = [request.headers["webhook-id"] for request in receiver.received]
    assert len(ids) == 2
    assert len(set(ids)) == 1
    second.send_signal(signal.SIGTERM)
    assert second.wait(60) == 0


def test_an_allow_list_that_cannot_be_read_is_named(environment):
    ended = subprocess.run(
        [sys.executable, "-m", "ops.webhooks"],
        cwd=ROOT,
        env=os.environ | environment | {"PACKSHOT_OUTBOUND_ALLOW": "10.0.0.1/8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 3
    assert "PACKSHOT_OUTBOUND_ALLOW: '10.0.0.1/8' is not a network" in ended.stderr
