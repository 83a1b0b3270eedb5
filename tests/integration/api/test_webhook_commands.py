"""`packshot webhooks`, against a real server."""

import pytest

from cli.main import main
from ops.webhooks import retry_schedule
from ops.webhooks.deliverer import Deliverer
from tests.integration.webhooks.conftest import verified, with_deliverer
from tests.receiver import Reply, receiving


@pytest.fixture
def settings(settings):
    return settings.model_copy(
        update={"outbound_allow": "127.0.0.1", "outbound_ports": "80,1024-65535"}
    )


@pytest.fixture
def run(client, monkeypatch, capsys):
    """Run the command; give exit code, standard output and error."""
    monkeypatch.setenv("PACKSHOT_URL", str(client.base_url))
    monkeypatch.setenv("PACKSHOT_KEY", client.headers["Authorization"].removeprefix("Bearer "))

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["packshot", "webhooks", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_an_endpoints_life_from_the_command_line(run, database, monkeypatch):
    # The first message stays on its way, however slow the machine is.
    monkeypatch.setattr(retry_schedule, "DELAYS", (600.0,))
    with receiving() as receiver:
        receiver.reply = lambda _: Reply(status=500)
        code, out, said = run("create", receiver.url, "--event", "image.completed")
        assert code == 0, said
        secret, endpoint = out.strip(), said.split()[1].rstrip(".")
        assert secret.startswith("whsec_")
        assert run("test", endpoint)[0] == 0
        with_deliverer(database, Deliverer.drain)
        code, out, _ = run("deliveries", endpoint)
        assert "It answered 500." in out
        delivery = out.splitlines()[1].split()[0]
        assert "failing since" in run("list")[1]

        receiver.reply = lambda _: Reply()
        rotated = run("rotate", endpoint)[1].strip()
        assert run("replay", "--delivery", delivery)[0] == 0
        with_deliverer(database, Deliverer.drain)
        receiver.received.pop(0)
        verified(receiver, secret, rotated)
        assert " works " in run("list")[1]
        _, _, said = run("replay", endpoint, "--since", "2020-01-01")
        assert said.startswith("0 messages"), "the first is still on its way"
        assert "delivered" in run("deliveries", endpoint, "--state", "delivered")[1]

        assert run("disable", endpoint)[0] == 0
        assert "disabled: " in run("list")[1]
        assert run("enable", endpoint)[0] == 0
        assert run("delete", endpoint)[0] == 0
        assert endpoint not in run("list")[1]
        assert run("secret")[1].startswith("whsec_")
        assert run("deliveries")[0] == 0


def test_what_was_lost_is_sent_again_since_a_day(run, database):
    with receiving() as receiver:
        endpoint = run("create", receiver.url)[2].split()[1].rstrip(".")
        for status in (204, 410):
            receiver.reply = lambda _, status=status: Reply(status=status)
            assert run("test", endpoint)[0] == 0
            with_deliverer(database, Deliverer.drain)
        assert "were not kept for it" in run("enable", endpoint)[2]
        receiver.reply = lambda _: Reply()
        for since, failed, number in (
            ("2999-01-01", [], 0),
            ("2020-01-01", ["--failed"], 1),
            ("2020-01-01", ["--failed"], 0),
            ("2020-01-01", [], 2),
        ):
            before = len(receiver.received)
            code, _, said = run("replay", endpoint, "--since", since, *failed)
            assert code == 0
            assert said.startswith(f"{number} messages"), (since, failed)
            with_deliverer(database, Deliverer.drain)
            assert len(receiver.received) == before + number
    assert len({request.headers["webhook-id"] for request in receiver.received}) == 2


def test_what_cannot_be_done_is_said_in_a_sentence(run):
    code, _, said = run("create", "http://10.0.0.1/")
    assert code == 1
    assert "a private network" in said
    code, _, said = run("replay", "--since", "2020-01-01")
    assert code == 1
    assert "--delivery" in said
    code, _, said = run("list", "--key", "psk_wrong")
    assert code == 1
    assert "unknown, revoked" in said
