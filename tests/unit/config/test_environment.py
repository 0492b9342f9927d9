"""Keys from variables, and the tree that both they and the docs are made from."""

from __future__ import annotations

import msgspec
import pytest

from collector.config.document import Mapping, parse
from collector.config.environment import overlay, variables
from collector.config.problems import Problems
from collector.config.reader import Reader, keys
from collector.config.tree import Config


def read(text, tmp_path, **environ):
    problems = Problems("f", text)
    document = parse(text, problems)
    assert isinstance(document, Mapping)
    overlay(Config, document, environ, problems)
    return Reader(Config, problems, tmp_path).read(document), problems


def test_a_variable_wins_over_the_file(tmp_path):
    config, problems = read(
        "site: a\nspool: {max_size: 1GiB, path: /x}\n",
        tmp_path,
        EDGEVITALS_SITE="b",
        EDGEVITALS_SPOOL__MAX_SIZE="5GiB",
        EDGEVITALS_TIERS__DETAIL__INTERVAL="2m",
        EDGEVITALS_STATUS__LISTEN="[::]:9464",
        EDGEVITALS_LABELS__REGION="emea",
        PATH="/bin",
    )
    assert not problems.has_errors
    assert not problems.warnings
    assert config.site == "b"
    assert config.spool.max_size == 5 << 30
    assert str(config.spool.path) == "/x"
    assert config.tiers.detail.interval == 120
    assert config.status.listen.host == "::"
    assert config.labels == {"region": "emea"}


def test_a_switch_and_the_keys_below_it(tmp_path):
    config, _ = read("site: a\n", tmp_path, EDGEVITALS_SOURCES__HOST="true")
    assert config.sources.host.job == "node"
    config, _ = read(
        "site: a\nsources: {host: true}\n", tmp_path, EDGEVITALS_SOURCES__HOST__INSTANCE="i"
    )
    assert config.sources.host.instance == "i"


def test_a_required_key_may_come_from_a_variable_alone(tmp_path):
    config, _ = read("preset: lan\n", tmp_path, EDGEVITALS_SITE="b")
    assert config.site == "b"


def test_an_empty_variable_is_not_set(tmp_path):
    config, problems = read("site: a\n", tmp_path, EDGEVITALS_SITE="", EDGEVITALS_X="")
    assert config.site == "a"
    assert not problems.warnings


def test_an_error_names_the_variable(tmp_path):
    _, problems = read("site: a\n", tmp_path, EDGEVITALS_SPOOL__MAX_SIZE="5gb")
    assert problems.render() == (
        'EDGEVITALS_SPOOL__MAX_SIZE: error: spool.max_size: "5gb" is not a size: '
        "write 5GB (SI) or 5GiB\n1 error"
    )


@pytest.mark.parametrize(
    "name,says",
    [
        (
            "EDGEVITALS_SPOOL__MAXSIZE",
            "no key has this name (did you mean EDGEVITALS_SPOOL__MAX_SIZE?)",
        ),
        ("EDGEVITALS_XYZ", "no key has this name"),
        (
            "EDGEVITALS_SPOOL",
            "no key has this name (did you mean EDGEVITALS_SPOOL__PATH?)",
        ),
        (
            "EDGEVITALS_KAFKA__BOOTSTRAP_SERVERS",
            "kafka has names with dots, which only the file can set",
        ),
        ("EDGEVITALS_SINKS__0__URL", "sinks has a list, which only the file can set"),
        ("EDGEVITALS_SOURCES__JMX", "sources.jmx has a list, which only the file can set"),
    ],
)
def test_a_variable_that_is_no_key_is_ignored_with_a_warning(name, says, tmp_path):
    config, problems = read("site: a\n", tmp_path, **{name: "hunter2"})
    assert config == Config(site="a")
    assert problems.warnings == [f"{name}: warning: ignored: {says}"]


@pytest.mark.parametrize(
    "name",
    [
        "EDGEVITALS_SERVICE_HOST",
        "EDGEVITALS_SERVICE_PORT_METRICS",
        "EDGEVITALS_PORT",
        "EDGEVITALS_PORT_9464_TCP_ADDR",
    ],
)
def test_what_kubernetes_sets_for_a_service_of_our_name_is_none_of_ours(name, tmp_path):
    _, problems = read("site: a\n", tmp_path, **{name: "tcp://10.0.0.1:9464"})
    assert not problems.warnings


def test_every_key_has_a_line_for_the_docs_and_a_way_to_be_read():
    every = list(keys(Config))
    assert len(every) > 40
    for key in every:
        assert key.shape.description.endswith((".", "none if left out.")), key.path
        assert key.shape.section or key.shape.item or key.shape.entries or key.shape.word, key.path


def test_every_scalar_outside_lists_has_a_variable():
    names = dict(variables(Config))
    scalars = [key for key in keys(Config) if key.shape.word and "*" not in key.path]
    assert set(names.values()) >= {key.path for key in scalars}
    assert len(names) == len(set(names.values()))


def test_an_example_of_every_kind_is_right():
    for key in keys(Config):
        if key.shape.word:
            key.shape.word.read(key.shape.word.example)


def test_defaults_are_of_the_kind_of_their_key():
    for key in keys(Config):
        if key.shape.word and key.default not in {None, msgspec.NODEFAULT}:
            base = key.shape.base
            assert isinstance(key.default, base if isinstance(base, type) else str), key.path
