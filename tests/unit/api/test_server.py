"""The server settles its process, once it serves."""

import socket
import threading

import httpx
from fastapi import FastAPI

from api import server as server_module
from api.server import make_server
from core.settings import Settings


def test_it_settles_when_everything_is_open(monkeypatch):
    happened = []
    monkeypatch.setattr(server_module, "settle", lambda: happened.append("settled"))
    app = FastAPI()

    @app.get("/")
    async def answer() -> list[str]:
        return happened

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = make_server(app, Settings())
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            with httpx.Client(transport=httpx.HTTPTransport(retries=5)) as client:
                assert client.get(f"http://127.0.0.1:{port}/").json() == ["settled"]
        finally:
            server.should_exit = True
            thread.join()
