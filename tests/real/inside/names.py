"""F27: the receiver's name is looked up anew for each connection, whatever the name server says.

python -m tests.real.inside.names FOLDER
"""

from __future__ import annotations

import json
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

from collector.errors import Retry
from collector.http import route
from collector.sinks.post import Post
from tests.lab.dns import NameServer
from tests.real.inside import do
from tests.unit.sinks.peer import Peer, answer

NAME = "centre.example"
SERVER = "127.0.0.53"
FIRST, SECOND, SIXTH = "127.0.0.2", "127.0.0.3", "::1"


def main(folder: Path) -> dict[str, Any]:
    do("ip", "link", "set", "lo", "up")
    resolv = folder / "resolv.conf"
    # It gives up after a minute, far behind us.
    resolv.write_text(f"nameserver {SERVER}\noptions timeout:20 attempts:3\n")
    do("mount", "--bind", str(resolv), "/etc/resolv.conf")
    route.CONNECT_S = 0.5
    with (
        NameServer(SERVER) as server,
        Peer(answer(204), host=FIRST) as first,
        Peer(answer(204), host=SECOND, port=first.port) as second,
        Peer(answer(204), host=SIXTH, port=first.port) as sixth,
        closing(Post(f"http://{NAME}:{first.port}/", {})) as post,
    ):

        def send(says: list[str] | str | None) -> str:
            server.says = says
            post.close()  # the connection, as a cut would
            try:
                return str(post.send(b"").status)
            except Retry as why:
                return "it was reached" if why.reached else str(why)

        said = {
            "nobody": send("NXDOMAIN"),
            "trouble": send("SERVFAIL"),
            "first": send([FIRST]),
            "moved": send([SECOND]),
            "six": send([SIXTH]),
            "one of two": send(["127.0.0.9", SECOND]),
        }
        asked = server.asked
        silent = [send(None) for _ in range(5)]
        said |= {
            "silent": silent[0],
            "alike": str(len(set(silent))),
            "threads": str(sum(one.name == "resolver" for one in threading.enumerate())),
            "questions": str(server.asked - asked),
        }
        return said | {"seen": [len(peer.seen) for peer in (first, second, sixth)]}


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
