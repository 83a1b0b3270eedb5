import socket
from pathlib import Path

import pytest

from local.errors import PortTakenError
from local.ports import SERVERS, free_port, is_free, remembered_port, wanted_port


@pytest.fixture
def taken_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_free_port_can_be_listened_on():
    port = free_port()
    assert is_free(port)
    assert wanted_port(port, name="the API", choose_with="--port") == port


def test_a_chosen_port_is_not_chosen_again_and_a_server_can_have_it(monkeypatch):
    monkeypatch.setattr("random.sample", lambda ports, k: list(ports))
    first = free_port()
    assert free_port() != first
    with socket.create_server(("127.0.0.1", first)):
        assert free_port() != first


@pytest.mark.skipif(
    int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]) < SERVERS.stop,
    reason="this machine gives these ports to outgoing connections",
)
def test_no_outgoing_connection_can_take_a_chosen_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        for _ in range(20):
            with socket.create_connection(server.getsockname()) as caller:
                assert caller.getsockname()[1] not in SERVERS
    assert free_port() in SERVERS


def test_that_no_port_is_free_is_said(monkeypatch, taken_port):
    monkeypatch.setattr("local.ports.SERVERS", range(taken_port, taken_port + 1))
    with pytest.raises(PortTakenError, match=f"No port between {taken_port} and {taken_port}"):
        free_port()


def test_a_taken_port_is_named_with_the_way_to_choose_another(taken_port):
    with pytest.raises(PortTakenError) as caught:
        wanted_port(taken_port, name="the API", choose_with="--port or PACKSHOT_API_PORT")
    sentence = str(caught.value)
    assert str(taken_port) in sentence
    assert "the API" in sentence
    assert "--port or PACKSHOT_API_PORT" in sentence


def test_a_server_keeps_its_port(tmp_path: Path):
    first = remembered_port(tmp_path / "port")
    assert remembered_port(tmp_path / "port") == first


def test_a_remembered_port_that_is_taken_is_replaced(tmp_path: Path, taken_port):
    file = tmp_path / "port"
    file.write_text(f"{taken_port}\n")
    port = remembered_port(file)
    assert port != taken_port
    assert int(file.read_text()) == port


def test_a_damaged_port_file_does_no_harm(tmp_path: Path):
    (tmp_path / "port").write_text("many")
    assert is_free(remembered_port(tmp_path / "port"))
