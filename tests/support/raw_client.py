"""A WebSocket client that sends exactly the bytes a test wants."""

from __future__ import annotations

import base64
import select
import socket
from typing import Self

from websockets.utils import apply_mask

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = base64.b64encode(b"0123456789abcdef").decode()
MASK = b"\x01\x9e\x53\xfa"


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True, rsv: int = 0) -> bytes:
    """Return one frame as a client sends it, or as it should not."""
    size = len(payload)
    if size < 126:
        length = bytes((size,))
    else:
        length = b"\x7e" + size.to_bytes(2) if size < 65536 else b"\x7f" + size.to_bytes(8)
    head = bytes((fin << 7 | rsv << 4 | opcode,))
    if not masked:
        return head + length + payload
    return head + bytes((length[0] | 0x80,)) + length[1:] + MASK + apply_mask(payload, MASK)


def request(path: str = "/ws", **headers: str) -> bytes:
    """Return a handshake; a header given as "" is left out."""
    wanted = {"Host": "chat", "Upgrade": "websocket", "Connection": "keep-alive, Upgrade"}
    wanted |= {"Sec-WebSocket-Key": KEY, "Sec-WebSocket-Version": "13"}
    wanted |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in wanted.items() if value]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode()


class RawClient:
    """One connection."""

    def __init__(self, port: int, receive_buffer: int | None = None, timeout_s: float = 10) -> None:
        self.sock = socket.socket()
        self.sock.settimeout(timeout_s)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.connect(("127.0.0.1", port))
        self.stream = self.sock.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stream.close()
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def head(self) -> tuple[int, dict[str, str]]:
        status = int(self.stream.readline().split()[1])
        headers = {}
        while line := self.stream.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return status, headers

    def open(self, path: str = "/ws", early: bytes = b"", **headers: str) -> dict[str, str]:
        self.send(request(path, **headers) + early)
        status, answer = self.head()
        assert status == 101
        return answer

    def receive(self) -> tuple[int, bytes]:
        head = self.stream.read(2)
        if not head:
            raise EOFError
        size = head[1]
        if size > 125:
            size = int.from_bytes(self.stream.read(2 if size == 126 else 8))
        return head[0] & 0x0F, self.stream.read(size)

    def receive_close(self) -> int:
        opcode, payload = self.receive()
        assert opcode == CLOSE, (opcode, payload[:80])
        return int.from_bytes(payload[:2])

    def is_gone(self) -> bool:
        """Tell, without waiting, whether the server has closed it and everything was read."""
        readable, _, _ = select.select([self.sock], [], [], 0)
        try:
            return bool(readable) and self.sock.recv(1, socket.MSG_PEEK) == b""
        except OSError:
            return True

    def is_ended(self) -> bool:
        try:
            return self.stream.read(1) == b""
        except ConnectionResetError:
            return True
