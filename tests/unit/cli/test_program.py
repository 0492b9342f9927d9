"""How the program ends, and what its help looks like."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from collector import __version__
from collector.cli import program
from collector.cli.program import VERBS, edgevitals
from collector.errors import ConfigError, DiskError


def invoke(*args):
    return CliRunner().invoke(edgevitals, args, prog_name="edgevitals")


@pytest.fixture
def verb_that_raises(monkeypatch):
    """A verb `check` that raises what the test puts into the list."""
    raised: list[BaseException] = []

    @click.command
    def check():
        raise raised[0]

    monkeypatch.setattr(program.Program, "get_command", lambda *_: check)
    return raised


@pytest.mark.parametrize("args", [(), ("--help",), ("-h",)])
def test_help_names_every_verb_and_ends_with_examples(args):
    result = invoke(*args)
    for verb in VERBS:
        assert f"\n  {verb} " in result.output
    assert "\nExamples:\n  edgevitals check config.yaml " in result.output
    assert "..." not in result.output.split("Commands:")[1]


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_each_verb_ends_with_examples(verb):
    result = invoke(verb, "--help")
    assert result.exit_code == 0
    options, examples = result.output.split("\nExamples:\n")
    assert "--help" in options
    lines = examples.splitlines()
    assert len(lines) >= 3
    assert all(line.startswith("  ") and f"edgevitals {verb}" in line for line in lines)
    assert max(map(len, lines)) < 100


def test_version():
    assert invoke("--version").output == f"edgevitals {__version__}\n"


@pytest.mark.parametrize("args", [("nope",), ("check",), ("run",), ("check", "a", "--nope")])
def test_wrong_usage_is_2(args):
    result = invoke(*args)
    assert result.exit_code == 2
    assert "Usage: edgevitals" in result.stderr


@pytest.mark.parametrize(
    "error,code,says",
    [
        (ConfigError("c.yaml:1:1: error: bad"), 2, "c.yaml:1:1: error: bad\n"),
        (DiskError("the disk is full", "free some"), 1, "the disk is full\n  free some\n"),
    ],
)
def test_what_went_wrong_in_the_world_is_a_sentence(verb_that_raises, error, code, says):
    verb_that_raises.append(error)
    result = invoke("check")
    assert result.exit_code == code
    assert result.stderr == says


def test_a_bug_is_a_traceback_and_70(verb_that_raises):
    verb_that_raises.append(ZeroDivisionError("oops"))
    result = invoke("check")
    assert result.exit_code == 70
    assert "Traceback" in result.stderr
    assert "ZeroDivisionError: oops" in result.stderr
    assert result.stderr.endswith("This is a bug in edgevitals, not in its configuration.\n")


def test_an_interrupt_is_130(verb_that_raises):
    verb_that_raises.append(KeyboardInterrupt())
    assert invoke("check").exit_code == 130


def test_the_installed_program_imports_nothing_that_help_does_not_need():
    heavy = "yaml confluent_kafka psutil urllib3 cramjam cheroot prometheus_client msgspec"
    script = (
        "import sys; from collector.__main__ import main\n"
        "try: main()\n"
        f"finally: sys.exit(' '.join(set('{heavy}'.split()) & set(sys.modules)) or 0)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, "--help"], capture_output=True, text=True, check=False
    )
    assert ended.stderr == ""
    assert ended.stdout.startswith("Usage: edgevitals ")
    assert ended.returncode == 0


def test_a_reader_that_has_enough_is_no_error(tmp_path):
    """`edgevitals check config.yaml | true`: the pipe is gone before we write."""
    (tmp_path / "c.yaml").write_text("site: a\nsources: {host: true}\n")
    with subprocess.Popen(
        [sys.executable, "-m", "collector", "check", tmp_path / "c.yaml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0
