"""The keys of the source otlp."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.config import Address, Loaded, OtlpConfig, load
from collector.errors import ConfigError


def loaded(folder: Path, keys: str) -> Loaded:
    file = folder / "c.yaml"
    file.write_text(f"site: a\nsources: {{otlp: {keys}}}\n")
    return load(file, {})


def test_true_listens_on_this_machine_alone(tmp_path: Path):
    sources = loaded(tmp_path, "true").config.sources
    assert sources.is_any
    assert sources.otlp == OtlpConfig(listen=Address("127.0.0.1", 4318))


def test_every_key(tmp_path: Path):
    keys = (
        '{listen: "[::1]:4319", stale_after: 2m, series_limit: 10, body_size_limit: 1MiB, '
        "label_limit: 3, label_value_length_limit: 4, job: j, instance: i}"
    )
    found = loaded(tmp_path, keys)
    assert found.config.sources.otlp == OtlpConfig(
        listen=Address("::1", 4319),
        stale_after=120.0,
        series_limit=10,
        body_size_limit=1 << 20,
        label_limit=3,
        label_value_length_limit=4,
        job="j",
        instance="i",
    )
    assert not found.warnings


def test_an_open_door_is_warned_of(tmp_path: Path):
    (warning,) = loaded(tmp_path, '{listen: "0.0.0.0:4318"}').warnings
    assert "without a login" in str(warning)


@pytest.mark.parametrize(
    "keys, says",
    [
        ("{stale_after: 1s}", "write 10s to 1d"),
        ("{listen: here}", "is not host:port"),
        ("{series_limit: 80001}", "write 1 to 80000"),
        ("{port: 4318}", "otlp.port"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, keys: str, says: str):
    with pytest.raises(ConfigError, match=says):
        loaded(tmp_path, keys)
