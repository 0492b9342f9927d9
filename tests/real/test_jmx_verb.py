"""`edgevitals jmx`, and a configuration's passwords and certificates, on real JVMs."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from collector.cli.program import edgevitals
from collector.config import load
from collector.errors import SourceError
from collector.names.rules import load_rules
from collector.series import SeriesTable, TargetSeries
from collector.sources.jmx_target import jmx_source
from tests.lab.java.jvm import Jvm
from tests.lab.java.keys import SERVER_NAME, Keys
from tests.lab.ports import free_port

MEMORY = "java.lang:type=Memory"


def jmx(*args):
    return CliRunner().invoke(edgevitals, ["jmx", *map(str, args)])


# ---- a broker -----------------------------------------------------------------------------------


def test_ls_lists_what_is_there(broker):
    result = jmx("ls", broker.jmx_address)
    assert result.exit_code == 0
    names = result.stdout.splitlines()
    assert len(names) > 500
    assert names == sorted(names)
    assert MEMORY in names
    some = jmx("ls", broker.jmx_address, "java.lang:type=M*").stdout.splitlines()
    assert some == [MEMORY]
    assert jmx("ls", broker.jmx_address, "kafka.controller").stdout.count("\n") > 10


def test_ls_tells_attributes_and_types(broker):
    result = jmx("ls", "-a", broker.jmx_address, MEMORY)
    head, *rows = result.stdout.splitlines()
    assert head.split() == ["MBEAN", "ATTRIBUTE", "TYPE", "DESCRIPTION"]
    assert [MEMORY, "Verbose", "boolean"] in [row.split() for row in rows]
    (bean,) = json.loads(jmx("ls", "-a", "-o", "json", broker.jmx_address, MEMORY).stdout)
    assert (bean["bean"], bean["class"]) == (MEMORY, "sun.management.MemoryImpl")
    assert {"Verbose": "boolean"}.items() <= {
        one["name"]: one["type"] for one in bean["attributes"]
    }.items()


def test_get_prints_values_in_full(broker):
    result = jmx("get", broker.jmx_address, "java.lang:type=*")
    assert result.exit_code == 0
    rows = [[*line.split(None, 2), ""] for line in result.stdout.splitlines()]
    values = {(bean, attribute): value for bean, attribute, value, *_ in rows[1:]}
    assert int(values[MEMORY, "HeapMemoryUsage.used"]) > 1 << 20
    assert values[MEMORY, "Verbose"] == "false"
    assert len(values["java.lang:type=Runtime", "ClassPath"]) > 1000


def test_get_takes_attributes(broker):
    result = jmx("get", broker.jmx_address, "java.lang:*", "-a", "Uptime,VmName", "-a", "Verbose")
    attributes = {line.split()[1] for line in result.stdout.splitlines()[1:]}
    assert attributes == {"Uptime", "VmName", "Verbose"}


def test_get_as_json_is_for_scripts(broker):
    result = jmx("get", broker.jmx_address, "java.lang:type=GarbageCollector,*", "-o", "json")
    values = json.loads(result.stdout)
    assert {"CollectionCount", "LastGcInfo"} <= {one["attribute"] for one in values}
    assert any({"key": "CodeCache"} in one["path"] for one in values)
    count = next(one for one in values if one["attribute"] == "CollectionCount")
    assert (count["type"], type(count["value"])) == ("long", int)


def test_what_matches_nothing_is_1_and_says_how_to_look(broker):
    result = jmx("get", broker.jmx_address, "nope:*")
    assert result.exit_code == 1
    assert result.stderr == (
        f"no MBean at {broker.jmx_address} matches nope:*\n"
        f"  list them with: edgevitals jmx ls {broker.jmx_address}\n"
    )
    result = jmx("get", broker.jmx_address, MEMORY, "-a", "Nope")
    assert "matches java.lang:type=Memory and has an attribute Nope\n" in result.stderr
    assert jmx("ls", broker.jmx_address, "nope:*").exit_code == 1


def test_ports_that_are_not_jmx_are_1_and_a_sentence(broker):
    for address in (broker.bootstrap, f"127.0.0.1:{free_port()}"):
        result = jmx("get", address, "--timeout", "5")
        assert result.exit_code == 1
        assert result.stdout == ""
        assert len(result.stderr.splitlines()) == 2


def test_watch_tells_what_changed(broker):
    result = jmx("watch", broker.jmx_address, "java.lang:type=Runtime", "-n", "0.1", "--count", "2")
    first, second = result.stdout.split("\n\n")[:2]
    assert "VmName" in first
    rows = [line.split() for line in second.splitlines()[2:]]
    assert [row[1] for row in rows] == ["Uptime"]
    assert rows[0][3].startswith("+")


def test_watch_ends_by_ctrl_c_and_redraws_a_screen(broker):
    """On a terminal of its own, as a person has it."""
    screen, theirs = pty.openpty()
    # A shell that starts jobs in the background has them ignore SIGINT, and children inherit that.
    listens = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    main = listens + "from collector.__main__ import main; main()"
    command = [sys.executable, "-c", main, "jmx", "watch", broker.jmx_address, MEMORY]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as watch:
        os.close(theirs)
        seen = b""
        while seen.count(b"\x1b[H\x1b[2J") < 2:
            seen += os.read(screen, 4096)
        watch.send_signal(signal.SIGINT)
        assert watch.wait(30) == 0
    os.close(screen)
    assert b"HeapMemoryUsage.used" in seen
    assert b"Traceback" not in seen


# ---- a guarded JVM ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def guarded(keys, tmp_path_factory):
    """A password, TLS from the first byte, a client certificate."""
    directory = tmp_path_factory.mktemp("guarded")
    (directory / "passwords").write_text("monitor mpass\n")
    (directory / "passwords").chmod(0o600)
    (directory / "access").write_text("monitor readonly\n")
    agent = {
        "authenticate": "true",
        "password.file": directory / "passwords",
        "access.file": directory / "access",
        "ssl": "true",
        "registry.ssl": "true",
        "ssl.need.client.auth": "true",
    }
    with Jvm(directory, agent=agent, system=keys.server_system) as jvm:
        yield jvm


@pytest.fixture
def password_file(tmp_path):
    file = tmp_path / "password"
    file.write_text("mpass\n")
    return file


def access(keys, password_file):
    return [
        *("--username", "monitor", "--password-file", password_file, "--registry-tls"),
        *("--ca-file", keys.ca_file, "--cert-file", keys.client_certificate_file),
        *("--key-file", keys.client_key_file),
    ]


def test_every_lock_has_its_option(guarded, keys, password_file):
    address = f"127.0.0.1:{guarded.port}"
    options = access(keys, password_file)
    for more in (["--server-name", SERVER_NAME], ["--no-verify-hostname"]):
        result = jmx("get", address, MEMORY, *options, *more)
        assert result.exit_code == 0, result.stderr
        assert "HeapMemoryUsage.used" in result.stdout


@pytest.mark.parametrize(
    "change,says",
    [
        (["--server-name", "else.example"], "certificate is for another host name"),
        (["--ca-file", "{keys.other_ca_file}"], "the server's certificate is not trusted"),
        (["--password-file", "{wrong}"], "nvalid username or password"),
        (["--password-file", "{wrong}-missing"], "no such file"),
        (["--cert-file", "{keys.ca_file}"], "not the key of"),
    ],
)
def test_a_wrong_key_is_1_and_names_the_lock(guarded, keys, tmp_path, password_file, change, says):
    wrong = tmp_path / "wrong"
    wrong.write_text("secret-1")
    options = [*access(keys, password_file), "--server-name", SERVER_NAME]
    options += [text.format(keys=keys, wrong=wrong) for text in change]
    result = jmx("get", f"127.0.0.1:{guarded.port}", MEMORY, *options)
    assert result.exit_code == 1
    assert says in result.stderr
    assert "secret-1" not in result.stderr
    assert "Traceback" not in result.stderr


def test_a_configuration_follows_its_files(guarded, keys, tmp_path):
    """Rotated: the CA, then the password. The collector reads on, without a restart."""
    ca_file, password_file = tmp_path / "ca.pem", tmp_path / "password"
    ca_file.write_bytes(keys.other_ca_file.read_bytes())
    password_file.write_text("old")
    (tmp_path / "c.yaml").write_text(f"""\
site: a
sources:
  jmx:
    - address: "127.0.0.1:{guarded.port}"
      username: monitor
      password_file: password
      tls:
        ca_file: ca.pem
        cert_file: {keys.client_certificate_file}
        key_file: {keys.client_key_file}
        server_name: {SERVER_NAME}
      registry_tls: true
      rmi_port: {guarded.port}
""")
    (config,) = load(tmp_path / "c.yaml", {}).config.sources.jmx
    source = jmx_source(config, load_rules(["default"]), TargetSeries(SeriesTable(), {}))
    with pytest.raises(SourceError, match="not trusted"):
        source.read(time.monotonic() + 30)
    ca_file.write_bytes(keys.ca_file.read_bytes())
    with pytest.raises(SourceError, match="nvalid username or password"):
        source.read(time.monotonic() + 30)
    password_file.write_text("mpass")
    assert len(source.read(time.monotonic() + 30).values) > 5
    source.close()
