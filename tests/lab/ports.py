"""Free ports on this machine for the parts that the lab starts.

Below the range from which the system gives ports to clients (32768 on Linux): a broker that was
killed there once could not come back, because some client had got its port meanwhile.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

FIRST, LAST = 20_000, 32_767

_kept: dict[int, int] = {}  # port -> descriptor of its lock, held as long as this process lives


def free_port() -> int:
    """Return a port that nobody listens on, and that no other lab gets while we live."""
    locks = Path(tempfile.gettempdir(), f"edgevitals-ports-{os.getuid()}")
    locks.mkdir(exist_ok=True)
    # Not the shared random: the test run seeds it, and all runs would begin with the same ports.
    choice = random.SystemRandom()
    for _ in range(10_000):
        port = choice.randint(FIRST, LAST)
        if port not in _kept and _lock(port, locks / str(port)):
            return port
    raise RuntimeError(f"no free port between {FIRST} and {LAST}")


def _lock(port: int, path: Path) -> bool:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with socket.socket() as probe:
            probe.bind(("", port))  # all addresses: Java's agents listen on all of them
    except OSError:
        os.close(descriptor)
        return False
    _kept[port] = descriptor
    return True
