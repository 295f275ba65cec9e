"""What stops a start on Couchbase: one line that names the setting, the fault and the mend, and no login."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.couchbase_bucket import MockBucket, Operation, Status
from tests.support.couchbase_mock import CouchbaseMock
from tests.support.ports import free_port
from tests.support.stack_process import StackProcess

START_LIMIT_S = 15
PASSWORD = "h%C3%BCsh"


def refused(folder: Path, url: str, **environ: str) -> str:
    """Start a stack that must not start; return its one line."""
    with StackProcess(folder / "var", {"STORE_URL": url, **environ}) as stack:
        assert stack.exit_code(START_LIMIT_S) == 2
        assert stack.left_running() == []
        lines = stack.output.splitlines()
        assert len(lines) == 1, stack.output
        assert "sh@" not in lines[0]
        assert "secret" not in lines[0]
        assert "; " in lines[0]
        return lines[0]


def url_of(*places: str, scheme: str = "couchbase", bucket: str = "chat") -> str:
    return f"{scheme}://chat:{PASSWORD}@{','.join(places)}/{bucket}"


@contextmanager
def listening(context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A port that takes connections and says nothing, or speaks TLS."""

    def serve() -> None:
        links = []
        with suppress(OSError):
            while True:
                link, _ = server.accept()
                links.append(link)
                if context:
                    with suppress(OSError):
                        links.append(context.wrap_socket(link, server_side=True))

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody but itself vouches for, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "node.pem"
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(made.public_bytes(pem) + secret)
    return file


@pytest.fixture
def tls_port(certificate: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with listening(context) as port:
        yield port


def test_a_wrong_password_is_told(tmp_path: Path, couchbase_bucket: MockBucket) -> None:
    with couchbase_bucket.failing(Status.AUTH_ERROR, Operation.SASL_AUTH):
        line = refused(tmp_path, couchbase_bucket.url)
    place = f"bucket {couchbase_bucket.name} at 127.0.0.1:{couchbase_bucket.ports[0]}"
    assert line.startswith(f"STORE_URL leads to {place}: the user or the password is wrong")
    assert line.endswith("; mend STORE_URL")


def test_a_wrong_bucket_is_told(tmp_path: Path, couchbase_bucket: MockBucket) -> None:
    line = refused(tmp_path, url_of(f"127.0.0.1:{couchbase_bucket.ports[0]}", bucket="chats"))
    assert "bucket chats at" in line
    assert "there is no such bucket for this user; mend STORE_URL" in line


def test_a_host_where_nobody_listens_is_told(tmp_path: Path) -> None:
    place = f"127.0.0.1:{free_port()}"
    line = refused(tmp_path, url_of(place))
    assert line.startswith(f"STORE_URL leads to bucket chat at {place}: {place} can't be reached, nobody listens")


def test_a_host_that_has_no_address_is_told(tmp_path: Path) -> None:
    line = refused(tmp_path, url_of("nobody.invalid"))
    assert "nobody.invalid is no host that is known here; mend the host in STORE_URL" in line


def test_a_frozen_cluster_is_told(tmp_path: Path, couchbase_mock: CouchbaseMock) -> None:
    url = couchbase_mock.url
    with couchbase_mock.frozen():
        line = refused(tmp_path, url)
    assert "does not answer; start Couchbase there" in line


def test_the_port_of_the_web_console_is_told(tmp_path: Path, shared_couchbase: CouchbaseMock) -> None:
    place = f"127.0.0.1:{shared_couchbase.rest_port}"
    assert f"{place} is no key-value port of Couchbase;" in refused(tmp_path, url_of(place))


def test_a_port_without_tls_is_told_when_tls_is_asked_for(tmp_path: Path, couchbase_mock: CouchbaseMock) -> None:
    place = f"127.0.0.1:{couchbase_mock.bucket.ports[0]}"
    line = refused(tmp_path, url_of(place, scheme="couchbases"))
    assert f"{place} does not speak TLS, and couchbases:// does; mend STORE_URL: couchbase://" in line


def test_a_port_with_tls_is_told_when_tls_is_not_asked_for(tmp_path: Path, tls_port: int) -> None:
    line = refused(tmp_path, url_of(f"127.0.0.1:{tls_port}"))
    assert "speaks TLS, and couchbase:// does not; mend STORE_URL: couchbases://" in line


def test_a_certificate_that_is_not_trusted_is_told(tmp_path: Path, tls_port: int) -> None:
    line = refused(tmp_path, url_of(f"127.0.0.1:{tls_port}", scheme="couchbases"))
    assert "has a TLS certificate that is not trusted: self-signed certificate; name a file" in line


def test_a_certificate_file_that_is_not_there_is_told(tmp_path: Path, tls_port: int) -> None:
    url = url_of(f"127.0.0.1:{tls_port}", scheme="couchbases") + "?certificate=/nowhere/ca.pem"
    assert "/nowhere/ca.pem can't be read; mend the certificate in STORE_URL" in refused(tmp_path, url)


def test_a_scope_is_told_when_the_servers_have_none(tmp_path: Path, couchbase_bucket: MockBucket) -> None:
    line = refused(tmp_path, f"{couchbase_bucket.url}?scope=chat")
    assert "the server has no collections; leave out ?scope= in STORE_URL" in line


def test_a_durability_that_cannot_be_kept_is_told(tmp_path: Path) -> None:
    with CouchbaseMock(nodes=1, replicas=0) as mock:
        line = refused(tmp_path, mock.url, STORE_DURABILITY="majority")
    assert line.startswith("STORE_DURABILITY majority can't be kept, the bucket has no replicas; ")


def test_the_stack_starts_when_the_cluster_is_in_order(tmp_path: Path, couchbase_bucket: MockBucket) -> None:
    with StackProcess(tmp_path / "var", {"STORE_URL": couchbase_bucket.url}) as stack:
        stack.await_line("ready after")
        stack.press_ctrl_c()
        assert stack.exit_code() == 0
