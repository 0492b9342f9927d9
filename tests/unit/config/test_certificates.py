"""The keys of the source certificates."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.config import Address, load
from collector.config.sources import CertificatesConfig
from collector.errors import ConfigError


def certificates(folder: Path, keys: str) -> CertificatesConfig:
    file = folder / "c.yaml"
    file.write_text(f"site: a\nsources: {{certificates: {keys}}}\n")
    config = load(file, {}).config
    assert config.sources.is_any
    assert config.sources.certificates
    return config.sources.certificates


def test_true_is_what_the_configuration_names_elsewhere(tmp_path: Path):
    assert certificates(tmp_path, "true") == CertificatesConfig()
    assert CertificatesConfig().configured
    assert CertificatesConfig().longest_disconnection == 31 * 86_400


def test_every_key(tmp_path: Path):
    keys = (
        '{files: [a.pem], listeners: ["b:9093", "[::1]:443"], configured: false, '
        "longest_disconnection: 26w, job: j, instance: i}"
    )
    assert certificates(tmp_path, keys) == CertificatesConfig(
        files=(tmp_path / "a.pem",),
        listeners=(Address("b", 9093), Address("::1", 443)),
        configured=False,
        longest_disconnection=182 * 86_400.0,
        job="j",
        instance="i",
    )


@pytest.mark.parametrize(
    "keys, says",
    [
        ("{longest_disconnection: 31}", "write 31s"),
        ("{longest_disconnection: 1s}", "write 1h to 3650d"),
        ("{listeners: [broker]}", "is not host:port"),
        ('{files: [""]}', "is empty: write a path"),
        ("{file: a.pem}", 'did you mean "files"'),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, keys: str, says: str):
    with pytest.raises(ConfigError, match=says):
        certificates(tmp_path, keys)
