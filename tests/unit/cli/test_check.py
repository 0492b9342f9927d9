"""`edgevitals check`: what it prints for right, doubtful and wrong configurations."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner

from collector.cli.program import edgevitals

KAFKA = """\
kafka:
  bootstrap.servers: a:1
  security.protocol: SASL_PLAINTEXT
  sasl.mechanism: PLAIN
"""


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def check(text, **environ):
    Path("c.yaml").write_text(dedent(text))
    return CliRunner(env=environ).invoke(edgevitals, ["check", "c.yaml"])


def test_a_right_one_says_what_would_run():
    result = check("""\
        site: store-0412
        kafka: {bootstrap.servers: "127.0.0.1:9092"}
        sources:
          jmx: [{address: "127.0.0.1:9999"}]
          host: true
          kafka: true
        topic: {}
        sinks: [{name: hq, url: "https://m.example/w", out_of_order_time_window: unlimited}]
        """)
    assert result.stderr == ""
    assert result.stdout == dedent("""\
        c.yaml: ok
          site     store-0412, node (the host name)
          every    vital 15s, standard 15s, detail 1m
          reads    jmx 127.0.0.1:9999, job kafka, names default
          reads    host, job node
          reads    kafka 127.0.0.1:9092, job kafka_exporter
          keeps    /var/lib/edgevitals, at most 2 GiB
          topic    edgevitals.telemetry, at most 4 GiB, 6 rounds a record
          sends    hq: https://m.example/w, 4 rounds a request, takes back to unlimited
          serves   http://127.0.0.1:9464/
        """)
    assert result.exit_code == 0


def test_a_forwarder_says_whose_topics_it_reads():
    result = check("""\
        site: hq
        kafka: {bootstrap.servers: "127.0.0.1:9092"}
        topic: {name: "plant.edgevitals.{site}"}
        sinks: [{name: hq, url: "https://m.example/w", out_of_order_time_window: 31d}]
        """)
    assert result.stderr == ""
    assert result.stdout == dedent("""\
        c.yaml: ok
          site     hq, node (the host name)
          every    vital 15s, standard 15s, detail 1m
          reads    topic plant.edgevitals.{site} of any site, and puts nothing there
          keeps    /var/lib/edgevitals, at most 2 GiB
          sends    hq: https://m.example/w, 4 rounds a request, takes back to 31d, 4 lanes
          serves   http://127.0.0.1:9464/
        """)


def test_the_environment_counts():
    result = check(
        "site: a\nsources: {host: true}\n", EDGEVITALS_NODE="n7", EDGEVITALS_PRESET="lan"
    )
    assert "site     a, node n7\n  every    15s\n" in result.stdout


def test_a_wrong_one_is_2_with_its_lines():
    result = check("site: a\nintervall: 15s\n")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == dedent("""\
        c.yaml:2:1: error: intervall: unknown key (did you mean "interval"?)
            1 | site: a
            2 | intervall: 15s
              | ^^^^^^^^^
        1 error
        """)


def test_a_missing_file_is_2():
    result = CliRunner().invoke(edgevitals, ["check", "nope.yaml"])
    assert result.exit_code == 2
    assert result.stderr == "nope.yaml: error: no such file\n"


def test_doubts_about_credential_files_are_warnings():
    Path("password").write_text("hunter2")
    Path("password").chmod(0o640)
    result = check(
        f"{KAFKA}  sasl.username: u\n  sasl.password_file: password\n"
        "site: a\nsources: {kafka: true}\n"
        'sinks: [{name: hq, url: "https://m/w", out_of_order_time_window: 1h, token_file: nope}]\n'
    )
    assert result.exit_code == 0
    heads = [line for line in result.stderr.splitlines() if ": warning: " in line]
    here = Path.cwd()
    assert heads == [
        (
            f"c.yaml:6:23: warning: kafka.sasl.password_file: {here}/password: "
            "readable by its group (0640): chmod 0600"
        ),
        (
            f"c.yaml:9:82: warning: sinks[0].token_file: {here}/nope: no such file: "
            "write the secret there"
        ),
    ]
    assert result.stderr.endswith("2 warnings\n")
    assert result.stdout.startswith("c.yaml: ok\n")


def test_a_guarded_jvm_is_told_and_its_files_are_looked_at():
    Path("password").write_text("hunter2")
    Path("password").chmod(0o644)
    result = check("""\
        site: a
        sources:
          jmx:
            - address: "localhost:1"
              username: monitor
              password_file: password
              tls: {ca_file: nope.pem, verify_hostname: false}
        """)
    assert result.exit_code == 0
    heads = [line for line in result.stderr.splitlines() if ": warning: " in line]
    here = Path.cwd()
    assert heads == [
        (
            f"c.yaml:6:22: warning: sources.jmx[0].password_file: {here}/password: "
            "readable by everybody (0644): chmod 0600"
        ),
        f"c.yaml:7:12: warning: sources.jmx[0].tls: {here}/nope.pem: no such file: check the path",
    ]
    assert "hunter2" not in result.output
    reads = "localhost:1, job kafka, names default, as monitor, TLS for any host of the CA"
    assert f"  reads    jmx {reads}\n" in result.stdout


def test_what_an_engine_lacks_is_a_warning(monkeypatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    result = check(
        "site: a\nsources: {jmx: [{address: 'a:1', engine: jmxquery}]}\n", PATH="/nowhere"
    )
    assert result.exit_code == 0
    assert (
        "c.yaml:2:42: warning: sources.jmx[0].engine: engine jmxquery: there is no java on the "
        "PATH or in JAVA_HOME: install a JRE"
    ) in result.stderr
    assert "names default, engine jmxquery\n" in result.stdout


def test_mistakes_in_rule_files_are_found():
    Path("mine.yaml").write_text("rules:\n  - pattern: '('\n")
    result = check("site: a\nsources: {jmx: [{address: 'a:1', names: [./mine.yaml]}]}\n")
    assert result.exit_code == 2
    assert f"sources.jmx[0].names: {Path.cwd()}/mine.yaml:2:" in result.stderr


def test_a_rule_file_that_is_not_there():
    result = check("site: a\nsources: {jmx: [{address: 'a:1', names: [./mine.yaml]}]}\n")
    assert result.exit_code == 2
    assert f"sources.jmx[0].names: {Path.cwd()}/mine.yaml" in result.stderr


@pytest.mark.parametrize(
    "properties,says",
    [
        (
            "sasl.usernam: u",
            (
                "5:17: error: kafka.sasl.usernam: librdkafka: "
                'No such configuration property: "sasl.usernam"'
            ),
        ),
        (
            "statistics.interval.ms: soon",
            (
                "5:27: error: kafka.statistics.interval.ms: librdkafka: "
                'Invalid value for configuration property "statistics.interval.ms"'
            ),
        ),
        (
            "ssl.endpoint.identification.algorithm: fast",
            (
                "5:42: error: kafka.ssl.endpoint.identification.algorithm: librdkafka: "
                "invalid value for configuration property "
                '"ssl.endpoint.identification.algorithm"'
            ),
        ),
        (
            "client.id: x",
            "2:3: error: kafka: librdkafka: sasl.username and sasl.password must be set",
        ),
    ],
)
def test_librdkafka_judges_its_own_properties(properties, says):
    result = check(f"{KAFKA}  {properties}\nsite: a\nsources: {{kafka: true}}\n")
    assert result.exit_code == 2
    assert f"c.yaml:{says}\n" in result.stderr


def test_the_program_itself(tmp_path):
    (tmp_path / "c.yaml").write_text("site: a\nsite: b\n")
    ended = subprocess.run(
        [sys.executable, "-m", "collector", "check", "c.yaml"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith('c.yaml:2:1: error: "site" is already set in line 1\n')


@pytest.mark.parametrize("server, warned", [("127.0.0.1:9092", True), ("broker.far:9092", False)])
def test_f09_a_topic_that_could_fill_the_disk_beside_it_is_a_warning(server, warned):
    result = check(
        f"site: a\nkafka: {{bootstrap.servers: '{server}'}}\nsources: {{kafka: true}}\n"
        "topic: {max_size: 1000000GiB}\n"
    )
    assert result.exit_code == 0, result.stderr
    says = "topic.max_size: the telemetry topic may take 1000000.0 GiB, more than 70% of"
    assert (says in result.stderr) == warned
    assert ("warning" in result.stderr) == warned, "nobody here knows a disk that is elsewhere"
