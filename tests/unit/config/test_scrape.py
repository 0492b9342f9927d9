"""Pages to scrape: where they are, how to get in, what they may have."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.config import Loaded, ScrapeConfig, load
from collector.errors import ConfigError

PAGE = 'site: a\nsources: {scrape: [{url: "http://127.0.0.1:9100/metrics", job: node%s}]}\n'


def loaded(folder: Path, text: str) -> Loaded:
    file = folder / "c.yaml"
    file.write_text(text)
    return load(file, {})


def one(folder: Path, keys: str = "") -> ScrapeConfig:
    (page,) = loaded(folder, PAGE % keys).config.sources.scrape
    return page


def test_what_is_not_said_has_a_limit(tmp_path):
    page = one(tmp_path)
    assert page.target_instance == "127.0.0.1:9100"
    assert (page.body_size_limit, page.sample_limit, page.label_limit) == (16 << 20, 50_000, 64)
    assert (page.label_name_length_limit, page.label_value_length_limit) == (256, 4096)


@pytest.mark.parametrize(
    "url, instance",
    [
        ("https://exporter/metrics", "exporter:443"),
        ("http://exporter/metrics?a=b", "exporter:80"),
        ("http://[::1]:9404/", "[::1]:9404"),
    ],
)
def test_the_instance_is_host_and_port(tmp_path, url, instance):
    text = PAGE.replace("http://127.0.0.1:9100/metrics", url) % ""
    assert loaded(tmp_path, text).config.sources.scrape[0].target_instance == instance


def test_all_of_it_can_be_said(tmp_path):
    keys = (
        ", instance: here, body_size_limit: 1MiB, sample_limit: 9, label_limit: 8, "
        "label_name_length_limit: 7, label_value_length_limit: 6, username: u, password_file: p"
    )
    page = one(tmp_path, keys)
    assert (page.target_instance, page.body_size_limit) == ("here", 1 << 20)
    assert (page.sample_limit, page.label_limit) == (9, 8)
    assert (page.label_name_length_limit, page.label_value_length_limit) == (7, 6)


@pytest.mark.parametrize(
    "keys, says",
    [
        (", sample_limit: 0", "write 1 to 80000"),
        (", sample_limit: 80001", "write 1 to 80000"),
        (", body_size_limit: 1GiB", "write 1KiB to 256MiB"),
        (", body_size_limit: 16", "is not a size"),
        (", label_limit: 0", "write 1 to 1000"),
        (", label_value_length_limit: 65537", "write 1 to 65536"),
        (", honor_labels: true", "unknown key"),
        (", token: x", "token"),
        (", username: u", "needs a password_file beside it"),
        (", password_file: p", "needs a username beside it"),
        (", token_file: t, username: u, password_file: p", "a request has one login"),
        (", tls: {ca_file: c}", "needs an https url"),
        ('}, {url: "http://127.0.0.1:9100/other", job: node', "give this one another instance"),
        ('}, {url: "ftp://a/b", job: x', "is not a URL"),
        ('}, {url: "http://u:p@a/b", job: x', "secrets are only read from files"),
        ('}, {url: "http://a/b"', "job"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, keys, says):
    with pytest.raises(ConfigError) as caught:
        one(tmp_path, keys)
    assert says in caught.value.message


@pytest.mark.parametrize("url, is_warned", [("http://a/", True), ("https://a/", False)])
def test_a_login_that_travels_unencrypted_is_warned_of(tmp_path, url, is_warned):
    text = PAGE.replace("http://127.0.0.1:9100/metrics", url) % ", username: u, password_file: p"
    said = loaded(tmp_path, text).problems.render()
    assert ("the password travels unencrypted: use https" in said) is is_warned


def test_a_page_is_a_source_like_any(tmp_path):
    said = loaded(tmp_path, PAGE % "").problems.render()
    assert "nothing is read" not in said
