"""Time limits and connections, against real sockets."""

import contextlib
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from chat.model.device import DeviceKind
from chat.push.base import Delivered, Later
from chat.push.endpoints import Endpoint
from chat.push.providers import open_providers
from chat.push.transport import Limits, Transport, Unreachable, tls_context
from tests.support.push.notices import notice
from tests.support.push.script import HANG, Answer

SHORT = Limits(connect_s=0.5, read_s=0.5, total_s=1.0)
GENEROUS_S = 8.0  # a busy machine's share on top of SHORT; far less than without a limit


@contextlib.contextmanager
def listening(answer):
    """A plain server that gives each connection to `answer(connection)`."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held = []

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    held.append(connection)
                    threading.Thread(target=answer, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        for connection in held:
            connection.close()
        server.shutdown(socket.SHUT_RDWR)


def transport_to(push, **more) -> Transport:
    return Transport(tls_context(push.ca_file), ["127.0.0.1"], SHORT, **more)


def reason_of(transport, port) -> tuple[str, float]:
    started = time.monotonic()
    with pytest.raises(Unreachable) as fault:
        transport.post(Endpoint("127.0.0.1", port, "/"), {}, b"", transport.limits.deadline())
    return fault.value.reason, time.monotonic() - started


@pytest.mark.parametrize("kind", DeviceKind)
def test_a_push_is_for_later_when_the_provider_hangs(push, providers, kind):
    providers[kind]._transport.limits = SHORT
    push[kind].answer_all(HANG)
    started = time.monotonic()
    assert providers[kind].push(push.target(kind).device(), notice()) == Later("timeout")
    assert time.monotonic() - started < GENEROUS_S


def test_a_push_is_for_later_when_the_token_endpoint_hangs(push, providers):
    providers[DeviceKind.FCM]._transport.limits = SHORT
    push.fcm.oauth.answer_all(HANG)
    devices = [push.target(DeviceKind.FCM).device() for _ in range(4)]
    started = time.monotonic()
    with ThreadPoolExecutor(4) as threads:  # those that wait for the one that asks are not later than it
        results = list(threads.map(lambda device: providers[DeviceKind.FCM].push(device, notice()), devices))
    assert {type(result) for result in results} == {Later}
    assert time.monotonic() - started < GENEROUS_S


def test_the_limits_of_a_push_are_within_what_the_port_promises():
    limits = Limits()
    assert (limits.connect_s, limits.read_s) == (3, 10)
    assert limits.total_s < 15


def test_a_server_that_never_shakes_hands_is_given_up(push):
    with listening(lambda connection: None) as port:
        reason, took_s = reason_of(transport_to(push), port)
    assert reason == "connect"
    assert took_s < GENEROUS_S


def test_a_server_that_drips_is_given_up_at_the_deadline(push, running):
    """Each byte comes in time, the answer never ends."""
    context = running_context(running)

    def drip(connection):
        with contextlib.suppress(OSError):
            secured = context.wrap_socket(connection, server_side=True)
            for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000:
                secured.send(bytes([byte]))
                if threading.Event().wait(0.1):
                    break

    with listening(drip) as port:
        reason, took_s = reason_of(transport_to(push), port)
    assert reason == "timeout"
    assert took_s < GENEROUS_S


@pytest.mark.parametrize("kind", DeviceKind)
def test_no_wait_goes_on_after_the_deadline(push, providers, kind):
    providers[kind]._transport.limits = Limits(read_s=60, total_s=1)
    push[kind].answer_all(HANG)
    started = time.monotonic()
    assert providers[kind].push(push.target(kind).device(), notice()) == Later("timeout")
    assert time.monotonic() - started < GENEROUS_S


@pytest.mark.parametrize("kind", DeviceKind)
def test_a_connection_with_an_answer_left_unread_is_not_used_again(push, providers, kind):
    accepted = push[kind].server.accepted
    push[kind].answer_next(Answer(503, b"x" * 1_000_000))
    for _ in range(2):
        providers[kind].push(push.target(kind).device(), notice())
    assert push[kind].server.accepted == accepted + 2


def test_a_server_that_speaks_nonsense_is_given_up(push, running):
    context = running_context(running)

    def mumble(connection):
        with contextlib.suppress(OSError):
            secured = context.wrap_socket(connection, server_side=True)
            secured.send(b"\0\1\2 nonsense\r\n\r\n" * 10)

    with listening(mumble) as port:
        assert reason_of(transport_to(push), port)[0] == "closed"
    with listening(mumble) as port:
        assert reason_of(transport_to(push, is_http2=True), port)[0] == "closed"


def test_nobody_listens(push):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert reason_of(transport_to(push), port)[0] == "connect"


def test_a_name_that_is_none(push):
    def unknown(host, port):
        raise socket.gaierror(-2, "unknown")

    transport = Transport(tls_context(None), (), SHORT, resolve=unknown)
    with pytest.raises(Unreachable) as fault:
        transport.post(Endpoint("push.example", 443, "/"), {}, b"", transport.limits.deadline())
    assert fault.value.reason == "connect"


@pytest.mark.parametrize("kind", DeviceKind)
def test_a_connection_is_used_again(push, providers, kind):
    accepted = push[kind].server.accepted
    for _ in range(20):
        assert providers[kind].push(push.target(kind).device(), notice()) == Delivered()
    assert push[kind].server.accepted == accepted + 1


@pytest.mark.parametrize("kind", DeviceKind)
def test_a_connection_is_used_again_after_an_error(push, providers, kind):
    accepted = push[kind].server.accepted
    push[kind].answer_next(Answer(500), Answer(429), Answer(500, b"x" * 60_000))
    for _ in range(4):
        providers[kind].push(push.target(kind).device(), notice())
    assert push[kind].server.accepted == accepted + 1


@pytest.mark.parametrize("kind", DeviceKind)
def test_threads_share_as_many_connections_as_they_are(push, providers, kind):
    accepted = push[kind].server.accepted
    devices = [push.target(kind).device() for _ in range(200)]
    for _ in range(2):  # the second pool's threads are new, the connections are not
        with ThreadPoolExecutor(8) as threads:
            results = list(threads.map(lambda device: providers[kind].push(device, notice()), devices))
        assert set(results) == {Delivered()}
    assert push[kind].server.accepted - accepted <= 8
    assert all(len(push[kind].taken_by(device.address)) == 2 for device in devices)


@pytest.mark.parametrize("kind", DeviceKind)
def test_a_push_arrives_when_the_provider_had_closed_the_idle_connection(push, providers, kind):
    device = push.target(kind).device()
    providers[kind].push(device, notice())
    push[kind].server.drop_connections()
    assert providers[kind].push(device, notice()) == Delivered()


@pytest.mark.parametrize("kind", DeviceKind)
def test_a_slow_answer_delays_nobody_else(push, providers, kind):
    """Over HTTP/2 too: the other threads have other connections."""
    slow, fast = push.target(kind).device(), push.target(kind).device()
    providers[kind].push(fast, notice())
    began = threading.Event()

    def decide(seen):
        if seen.address != slow.address:
            return None
        began.set()
        return HANG

    push[kind].decide = decide
    providers[kind]._transport.limits = Limits(read_s=2, total_s=3)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(providers[kind].push, slow, notice())
        assert began.wait(10)
        assert providers[kind].push(fast, notice()) == Delivered()
        assert not waiting.done()
        assert waiting.result() == Later("timeout")


@pytest.mark.parametrize("kind", DeviceKind)
def test_a_forked_process_opens_connections_of_its_own(push, push_settings, kind):
    provider = open_providers(push_settings)[kind]
    device = push.target(kind).device()
    assert provider.push(device, notice()) == Delivered()
    accepted = push[kind].server.accepted
    child = os.fork()
    if child == 0:
        is_good = provider.push(device, notice()) == Delivered()
        os._exit(0 if is_good else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert push[kind].server.accepted == accepted + 1
    assert provider.push(device, notice()) == Delivered()  # on the parent's own, which still works
    assert push[kind].server.accepted == accepted + 1
    provider.close()


def test_closing_lets_go_of_the_connections(push, providers):
    provider = providers[DeviceKind.WEBPUSH]
    accepted = push.webpush.server.accepted
    for _ in range(2):
        provider.push(push.target(DeviceKind.WEBPUSH).device(), notice())
        provider.close()
    assert push.webpush.server.accepted == accepted + 2


def running_context(running):
    return running.webpush.server._context
