"""A tiny Flask app on the real server, run by `tests/support/echo_process.py` as a process: it echoes."""

from gevent import monkey

monkey.patch_all()

import gc  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402

from flask import Flask, Response, request  # noqa: E402

from chat.gateway.connection import Connection, ConnectionCallbacks, ConnectionLimits  # noqa: E402
from chat.gateway.handshake import install, websocket_route  # noqa: E402
from chat.gateway.waiting import Waiting  # noqa: E402
from chat.gateway.writer import write_all  # noqa: E402
from chat.gateway.wsgi import ChatWSGIHandler, ChatWSGIServer, make_listener  # noqa: E402

closed_codes: list[int] = []
opened: set[Connection] = set()
app = Flask(__name__)


def on_open(connection: Connection) -> None:
    if request.args.get("fail") == "open":
        raise ValueError("on_open was asked to fail")
    opened.add(connection)


def on_closed(connection: Connection, code: int) -> None:
    opened.discard(connection)
    closed_codes.append(code)


def on_binary(connection: Connection, payload: bytes) -> None:
    connection.send_text(b"binary is not spoken here")


def on_message(connection: Connection, payload: bytes) -> None:
    command, _, argument = payload.partition(b" ")
    if command == b"raise":
        raise ValueError("on_message was asked to fail")
    if command == b"close":
        connection.close(int(argument), "as asked", last_text=b"last")
    elif command == b"megabytes":
        for number in range(int(argument) * 16):
            connection.send_text(b"%08d" % number * 8192)
    elif command == b"pause":
        connection.send_text(b"pausing")
        connection.pause_reading()
    elif command == b"resume":
        for other in opened:
            other.resume_reading()
    elif command == b"close-others":
        for other in opened - {connection}:
            other.close(1001)
    elif command == b"everyone":
        write_all([other.writer for other in opened], b"\x81\x05hello")
    else:
        connection.send_text(payload)


@app.before_request
def refuse() -> tuple[str, int] | None:
    return ("refused", 403) if "refuse" in request.args else None


@app.get("/")
def page() -> str:
    return "a page"


@app.post("/body")
def body() -> str:
    return str(len(request.get_data()))


@app.get("/state")
def state() -> Response:
    descriptors = len(os.listdir("/proc/self/fd"))
    told = {"closed": closed_codes, "open": len(opened), "descriptors": descriptors}
    return Response(json.dumps(told))


def main() -> None:
    gc.disable()  # a socket that only the collector would close is a leak here
    settings = json.loads(sys.argv[2])
    ChatWSGIHandler.request_timeout_s = settings.pop("request_timeout_s", 10.0)
    waiting_limit = settings.pop("waiting_limit", 1000)
    limits = ConnectionLimits(**settings)
    sock = install(app)
    callbacks = ConnectionCallbacks(on_message, on_binary, on_closed)
    for path, endpoint in (("/", "root_socket"), ("/ws", "socket")):
        websocket_route(sock, path, endpoint, limits=limits, callbacks=callbacks, on_open=on_open)
    server = ChatWSGIServer(make_listener("127.0.0.1", int(sys.argv[1])), app)
    server.waiting = Waiting(waiting_limit)
    server.serve_forever()


if __name__ == "__main__":
    main()
