"""How a JMX port may be guarded and where it may be: passwords, TLS, ports, host names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from collector.jmx import (
    CallFailed,
    Client,
    JmxError,
    Numbers,
    PeerBrokeProtocol,
    Unreachable,
    tls_context,
)
from tests.lab.java.jvm import Jvm, jdks
from tests.lab.java.keys import SERVER_NAME, Keys
from tests.lab.kafka import Kafka
from tests.lab.ports import free_port

ONE = Numbers(["odd:type=Open"])


def soon() -> float:
    return monotonic() + 30


def read_some(port: int, *, host: str = "127.0.0.1", **options: Any) -> int:
    """Return how many values a scrape gave."""
    with Client(host, port, selection=ONE, **options) as client:
        return sum(len(values) for _, values in client.scrape(soon()).readings)


def refused(port: int, *, host: str = "127.0.0.1", **options: Any) -> JmxError:
    """Return the error of a scrape that must fail."""
    with Client(host, port, selection=ONE, **options) as client:
        with pytest.raises(JmxError) as caught:
            client.scrape(soon())
        return caught.value


@pytest.fixture(scope="module", params=list(jdks().values()), ids=list(jdks()))
def java(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return Keys(tmp_path_factory.mktemp("keys"))


def guards(directory: Path) -> dict[str, object]:
    """Settings for a JVM with a user who may read and one who may do more."""
    passwords, access = directory / "passwords", directory / "access"
    passwords.write_text("monitor mpass\ncontrol cpass\n")
    passwords.chmod(0o600)
    access.write_text("monitor readonly\ncontrol readwrite\n")
    return {"authenticate": "true", "password.file": passwords, "access.file": access}


@pytest.fixture(scope="module")
def guarded(java: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jvm]:
    directory = tmp_path_factory.mktemp("guarded")
    with Jvm(directory, java=java, agent=guards(directory)) as jvm:
        yield jvm


@pytest.fixture(scope="module")
def with_tls(java: str, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jvm]:
    """TLS, a plain registry, the server on a port of its own: what most guides end up with."""
    directory = tmp_path_factory.mktemp("tls")
    agent = {"ssl": "true", "rmi.port": free_port(), "ssl.need.client.auth": "false"}
    with Jvm(directory, java=java, agent=agent, system=keys.server_system) as jvm:
        yield jvm


@pytest.fixture(scope="module")
def all_tls(java: str, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jvm]:
    """TLS from the first byte, client certificates and passwords; it calls itself by its name."""
    directory = tmp_path_factory.mktemp("alltls")
    agent: dict[str, object] = {"ssl": "true", "registry.ssl": "true", **guards(directory)}
    agent["ssl.need.client.auth"] = "true"
    system = {**keys.server_system, "java.rmi.server.hostname": SERVER_NAME}
    with Jvm(directory, java=java, agent=agent, system=system) as jvm:
        yield jvm


# ---- passwords ----------------------------------------------------------------------------------


@pytest.mark.parametrize("user, password", [("monitor", "mpass"), ("control", "cpass")])
def test_a_user_who_may_read_reads(guarded: Jvm, user: str, password: str):
    assert read_some(guarded.port, username=user, password=password) > 10


def test_a_missing_password_is_named(guarded: Jvm):
    error = refused(guarded.port)
    assert isinstance(error, CallFailed)
    assert error.java_class == "java.lang.SecurityException"
    assert "set both" in error.hint


def test_a_wrong_password_is_named_and_not_shown(guarded: Jvm):
    error = refused(guarded.port, username="monitor", password="secret-1")
    assert "password file" in error.hint
    assert "secret-1" not in str(error)


def test_a_password_is_asked_for_again_at_each_login(guarded: Jvm):
    passwords = iter(["old", "mpass"])
    options: dict[str, Any] = {"username": "monitor", "password": lambda: next(passwords)}
    with Client("127.0.0.1", guarded.port, selection=ONE, **options) as client:
        with pytest.raises(CallFailed):
            client.scrape(soon())
        assert client.scrape(soon()).readings


def test_what_the_password_function_raises_passes_through(guarded: Jvm):
    def password() -> str:
        raise FileNotFoundError("the file is away")

    with (
        Client("127.0.0.1", guarded.port, username="monitor", password=password) as client,
        pytest.raises(FileNotFoundError),
    ):
        client.scrape(soon())


# ---- TLS ----------------------------------------------------------------------------------------


def test_tls_with_a_plain_registry_and_another_port(with_tls: Jvm, keys: Keys):
    pinned = tls_context(ca_file=str(keys.ca_file), check_hostname=False)
    assert read_some(with_tls.port, tls=pinned) > 10
    named = tls_context(ca_file=str(keys.ca_file))
    assert read_some(with_tls.port, tls=lambda: named, server_hostname=SERVER_NAME) > 10


def test_a_certificate_for_another_name_is_refused_with_what_to_do(with_tls: Jvm, keys: Keys):
    error = refused(with_tls.port, tls=tls_context(ca_file=str(keys.ca_file)))
    assert isinstance(error, Unreachable)
    assert "not trusted" in error.message
    assert "host-name check" in error.hint


def test_a_certificate_of_another_ca_is_refused(with_tls: Jvm, keys: Keys):
    other = tls_context(ca_file=str(keys.other_ca_file), check_hostname=False)
    error = refused(with_tls.port, tls=other)
    assert "not trusted" in error.message
    assert "ca_file" in error.hint
    assert "not trusted" in refused(with_tls.port, tls=tls_context()).message


def test_a_server_that_wants_tls_says_so(with_tls: Jvm):
    error = refused(with_tls.port)
    assert "wants TLS" in error.message
    assert "Set TLS" in error.hint


def test_a_registry_that_wants_tls_is_told_apart_from_no_jmx(all_tls: Jvm):
    error = refused(all_tls.port)
    assert isinstance(error, PeerBrokeProtocol)
    assert "TLS" in str(error)


def test_a_plain_registry_is_told_apart_from_a_bad_certificate(with_tls: Jvm, keys: Keys):
    pinned = tls_context(ca_file=str(keys.ca_file), check_hostname=False)
    error = refused(with_tls.port, tls=pinned, registry_tls=True)
    assert "registry may be plain" in error.hint


def test_a_password_is_not_sent_in_plain_text_when_tls_is_set(guarded: Jvm, keys: Keys):
    def never() -> str:
        pytest.fail("the password was asked for")

    pinned = tls_context(ca_file=str(keys.ca_file), check_hostname=False)
    error = refused(guarded.port, tls=pinned, username="monitor", password=never)
    assert "plain text" in error.message


def test_tls_everywhere_with_certificate_and_password(all_tls: Jvm, keys: Keys):
    context = tls_context(
        ca_file=str(keys.ca_file),
        certificate_file=str(keys.client_certificate_file),
        key_file=str(keys.client_key_file),
    )
    options: dict[str, Any] = {"tls": context, "registry_tls": True}
    options |= {"username": "monitor", "password": "mpass", "server_hostname": SERVER_NAME}
    assert read_some(all_tls.port, **options) > 10


def test_a_missing_client_certificate_is_named(all_tls: Jvm, keys: Keys):
    pinned = tls_context(ca_file=str(keys.ca_file), check_hostname=False)
    error = refused(all_tls.port, tls=pinned, registry_tls=True)
    assert "certificate_file" in error.hint


# ---- places -------------------------------------------------------------------------------------


def test_a_name_that_cannot_be_reached_is_not_followed(all_tls: Jvm, keys: Keys):
    """The server calls itself broker.example, which does not exist."""
    context = tls_context(
        ca_file=str(keys.ca_file),
        certificate_file=str(keys.client_certificate_file),
        key_file=str(keys.client_key_file),
        check_hostname=False,
    )
    options: dict[str, Any] = {"tls": context, "registry_tls": True}
    options |= {"username": "monitor", "password": "mpass"}
    assert read_some(all_tls.port, **options) > 10
    error = refused(all_tls.port, follow_stub=True, **options)
    assert isinstance(error, Unreachable)
    assert SERVER_NAME in error.message


def test_a_stub_is_followed_when_that_is_asked_for(java: str, tmp_path: Path):
    system = {"java.rmi.server.hostname": "localhost"}
    with Jvm(tmp_path, java=java, agent={"rmi.port": free_port()}, system=system) as jvm:
        assert read_some(jvm.port) > 10
        assert read_some(jvm.port, follow_stub=True) > 10


def test_a_port_of_the_server_can_be_given(java: str, tmp_path: Path):
    actual = free_port()
    with Jvm(tmp_path, java=java, agent={"rmi.port": actual}) as jvm:
        assert read_some(jvm.port, rmi_port=actual) > 10
        closed = free_port()
        error = refused(jvm.port, rmi_port=closed)
        assert f":{closed}" in error.message


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_ipv6_address(java: str, tmp_path: Path, host: str):
    with Jvm(tmp_path, java=java, host="::1") as jvm:
        assert read_some(jvm.port, host=host) > 10


# ---- not JMX ------------------------------------------------------------------------------------


def test_a_port_where_nobody_listens():
    error = refused(free_port())
    assert isinstance(error, Unreachable)
    assert "refused" in error.message
    assert "JMX port" in error.hint


def test_a_host_that_does_not_exist():
    error = refused(1, host="no-such-host.invalid")
    assert isinstance(error, Unreachable)
    assert "no such host" in error.message


def test_the_brokers_own_port_is_not_a_jmx_port(broker: Kafka):
    error = refused(broker.port)
    assert isinstance(error, PeerBrokeProtocol)
    assert "does not speak Java RMI" in error.message
    assert "JMX port" in error.hint


def test_a_registry_without_this_name(guarded: Jvm):
    error = refused(guarded.port, name="other")
    assert isinstance(error, CallFailed)
    assert error.java_class == "java.rmi.NotBoundException"
    assert "no JMX server under this name" in error.hint


def test_a_tls_file_that_is_none_is_an_oserror(tmp_path: Path):
    (tmp_path / "empty.pem").touch()
    with pytest.raises(OSError):
        tls_context(ca_file=str(tmp_path / "empty.pem"))
