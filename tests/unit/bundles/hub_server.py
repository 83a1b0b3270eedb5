"""The few requests of the Hugging Face Hub that a download makes, answered from a folder."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

MODEL = "someone/tiny"
COMMIT = "c0ffee" * 6 + "c0ff"


class Hub(BaseHTTPRequestHandler):
    """One model, at one commit."""

    folder: Path
    status = 200
    asked: list[str]

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.asked.append(f"{self.command} {path}")
        if self.status != 200:
            return self._send(b"{}", {"X-Error-Code": "GatedRepo"}, body=body)
        if path in (f"/api/models/{MODEL}", f"/api/models/{MODEL}/revision/main"):
            return self._send(json.dumps(self._description()).encode(), {}, body=body)
        for revision in ("main", COMMIT):
            prefix = f"/{MODEL}/resolve/{revision}/"
            file = self.folder / path.removeprefix(prefix)
            if path.startswith(prefix) and file.is_file():
                content = file.read_bytes()
                tag = hashlib.sha256(content).hexdigest()
                headers = {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT}
                return self._send(content, headers, body=body)
        self.send_error(404)
        return None

    def _description(self) -> dict[str, object]:
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        siblings = [
            {"rfilename": path.relative_to(self.folder).as_posix(), "size": path.stat().st_size}
            for path in files
        ]
        return {"id": MODEL, "modelId": MODEL, "sha": COMMIT, "siblings": siblings}

    def _send(self, content: bytes, headers: dict[str, str], *, body: bool) -> None:
        self.send_response(self.status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serve(folder: Path) -> Iterator[tuple[str, type[Hub]]]:
    """Serve a folder as the Hub would; give the address, and the handler to look at or change."""
    handler = type("OneHub", (Hub,), {"folder": folder, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
