"""Secrets from real files, changed in every way that people and Kubernetes change them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from collector.config.tree import Config
from collector.errors import ConfigError
from collector.security.credentials import MAX_BYTES, Secret, exposure, kafka_properties, renewed


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "token"
    path.write_text("hunter2\n")
    return path


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
def test_line_breaks_at_the_end_are_no_part_of_it(file, end):
    file.write_bytes(b" hunter2 " + end.encode())
    assert Secret(file).read() == " hunter2 "


def written_in_place(file):
    file.write_text("other")


def renamed_over(file):
    new = file.with_name("new")
    new.write_text("other")
    new.replace(file)


def of_the_same_size_and_time(file):
    before = file.stat()
    new = file.with_name("new")
    new.write_text("other\n\n\n")
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    new.replace(file)


@pytest.mark.parametrize("change", [written_in_place, renamed_over, of_the_same_size_and_time])
def test_a_change_is_seen_at_the_next_read(file, change):
    secret = Secret(file)
    assert secret.read() == "hunter2"
    change(file)
    assert secret.read() == "other"


def test_a_mounted_secret_is_swapped_by_its_link(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(name)
    link = tmp_path / "data"
    link.symlink_to("a")
    secret = Secret(link / "token")
    assert secret.read() == "a"
    link.unlink()
    link.symlink_to("b")
    assert secret.read() == "b"


def test_a_file_that_goes_and_comes_back(file):
    secret = Secret(file)
    secret.read()
    file.unlink()
    with pytest.raises(ConfigError, match="no such file"):
        secret.read()
    file.write_text("back")
    assert secret.read() == "back"


def test_an_unchanged_file_is_not_read_again(file):
    secret = Secret(file)
    secret.read()
    first = file.stat().st_atime_ns
    os.utime(file, ns=(first - 10**9, file.stat().st_mtime_ns))
    secret.read()  # once more, since utime changed the file's status
    quiet = file.stat().st_atime_ns
    assert secret.read() == "hunter2"
    assert file.stat().st_atime_ns == quiet


@pytest.mark.parametrize(
    "content,says",
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"  \n", "is empty"),
        (b"hunter2\nsecond", "more than one line"),
        (b"hunter2\x00", "more than one line, or control characters"),
        (b"hunter2\xff", "not UTF-8 text"),
        (b"hunter2" * MAX_BYTES, "more than 64 KiB"),
    ],
)
def test_what_is_no_secret_is_refused_and_not_repeated(file, content, says):
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        Secret(file).read()
    assert says in str(caught.value)
    assert str(file) in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_directory_and_a_pipe_are_no_secrets_and_hang_nobody(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="is not a file"):
        Secret(tmp_path / "pipe").read()
    with pytest.raises(ConfigError, match="can't be read: Is a directory"):
        Secret(tmp_path).read()


def test_a_secret_is_not_in_its_repr(file):
    secret = Secret(file)
    secret.read()
    assert repr(secret) == f"Secret('{file}', ...)"


def test_kafka_properties_take_secrets_from_their_files(tmp_path, file):
    key = tmp_path / "key.pem"
    key.write_text("-----BEGIN\nabc\n-----END\n")
    config = Config(
        site="a",
        kafka={"sasl.username": "me", "sasl.password_file": file, "ssl.key.pem_file": key},
    )
    assert kafka_properties(config) == {
        "sasl.username": "me",
        "sasl.password": "hunter2",
        "ssl.key.pem": "-----BEGIN\nabc\n-----END",
    }


@pytest.mark.parametrize(
    "mode,says",
    [
        (0o600, None),
        (0o400, None),
        (0o640, "readable by its group (0640): chmod 0600"),
        (0o644, "readable by everybody (0644): chmod 0600"),
    ],
)
def test_who_else_may_read_it(file, mode, says):
    file.chmod(mode)
    assert exposure(file) == says


def test_a_file_that_is_not_there_is_read_by_nobody():
    assert exposure(Path("/nope/nope")) is None


def test_kafka_properties_are_taken_up_anew_when_a_file_is_another_one(tmp_path, file):
    certificate = tmp_path / "me.pem"
    certificate.write_text("one")
    kafka = {"sasl.password_file": file, "ssl.certificate.location": str(certificate)}
    properties = kafka_properties(Config(site="a", kafka=kafka))
    assert not properties.renew()
    assert not renewed(properties)
    file.write_text("another")
    assert properties.changed()
    assert renewed(properties)
    assert dict(properties)["sasl.password"] == "another"
    assert not renewed(properties)
    certificate.write_text("another certificate")
    assert renewed(properties)
    file.unlink()
    assert not properties.changed()
    assert not renewed(properties)
    assert properties["sasl.password"] == "another", "it is about to be replaced"
    file.write_text("new")
    assert renewed(properties)
    assert "new" not in repr(properties)
    assert not renewed({"sasl.password": "x"})
