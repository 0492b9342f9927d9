"""The keys of links, right and wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from collector.config import load
from collector.errors import ConfigError

HEAD = 'site: a\nkafka: {bootstrap.servers: "b:9092"}\nlinks:\n  - '


def read(tmp_path: Path, link: str):
    file = tmp_path / "c.yaml"
    file.write_text(f"{HEAD}{link}\n")
    return load(file, {}).config.links[0]


def test_a_mirror(tmp_path: Path):
    link = read(
        tmp_path, "{name: hq, kind: mirrormaker2, topics: [pos.*], jmx: [{address: 'm:1'}]}"
    )
    assert (link.name, link.side, link.topics) == ("hq", "source", ("pos.*",))
    assert str(link.jmx[0].address) == "m:1"


@pytest.mark.parametrize(
    "link, says",
    [
        ("{name: hq, kind: mirrormaker2, jmx: []}", "jmx: is empty"),
        ("{name: hq, kind: bridge, jmx: [{address: 'm:1'}]}", "mirrormaker2"),
        (
            "{name: hq, kind: cluster_link, connect: 'http://c:1/x', jmx: [{address: 'm:1'}]}",
            "connect: is MirrorMaker's",
        ),
        (
            "{name: hq, kind: mirrormaker2, side: target, offset_syncs: t, jmx: [{address: m:1}]}",
            "offset_syncs: is at the source",
        ),
        ("{name: hq, kind: mirrormaker2}", "jmx"),
    ],
)
def test_what_does_not_fit_is_an_error(tmp_path: Path, link: str, says: str):
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, link)
    assert says in raised.value.message
