"""A file and an environment -> the configuration, or every reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from collector.config.checks import check
from collector.config.document import Scalar, parse, read_text
from collector.config.environment import overlay
from collector.config.problems import WHOLE_FILE, KeyPath, Place, Problems
from collector.config.reader import Reader
from collector.config.tree import Config
from collector.errors import ConfigError


class Loaded(NamedTuple):
    """A configuration that can be used, and what a person should still know about it.

    `problems` holds warnings only; whoever looks further (credentials, librdkafka) adds to it.
    """

    config: Config
    problems: Problems
    places: Mapping[KeyPath, Place]

    @property
    def warnings(self) -> list[str]:
        return self.problems.warnings

    def place(self, path: KeyPath) -> Place:
        return self.places.get(path, WHOLE_FILE)


def load(path: Path, environ: Mapping[str, str]) -> Loaded:
    """Read a configuration. Relative paths in it start at its folder.

    Raises ConfigError whose message has all problems, with the lines they point at.
    """
    text = read_text(path)
    problems = Problems(str(path), text)
    document = parse(text, problems)
    if document is None:
        raise ConfigError(problems.render())
    overlay(Config, document, environ, problems)
    reader = Reader(Config, problems, path.absolute().parent)
    config = reader.read(document)
    node = document.entries.get("node")
    check(reader, problems, node.value.text if node and isinstance(node.value, Scalar) else None)
    if problems.has_errors:
        raise ConfigError(problems.render())
    assert isinstance(config, Config)
    return Loaded(config, problems, reader.places)
