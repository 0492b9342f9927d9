"""Small Java programs of ours with a JMX agent: what a broker of Apache Kafka can't show.

Each is compiled once, into the directory where the lab keeps its parts. $TEST_JDKS names the
homes of further JDKs (with ":" between them): tests that are about the JVM run on each.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.lab import parts
from tests.lab.ports import free_port
from tests.lab.process import Process

SOURCES = Path(__file__).parent
JVM = ("-Xmx48m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8")
AGENT = "com.sun.management.jmxremote"
START_SECONDS = 60.0  # 0.6 s on a quiet machine


def jdks() -> dict[str, str]:
    """Return the `java` programs to test with: name -> path."""
    found = {"java": "java"}
    for home in filter(None, os.environ.get("TEST_JDKS", "").split(os.pathsep)):
        found[Path(home).name] = str(Path(home, "bin/java"))
    return found


def classes(program: str = "OddBeans") -> Path:
    """Compile a program, when this version of it isn't yet, and return the class path."""
    source = SOURCES / f"{program}.java"
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:12]
    place = parts.cache() / f"{program}-{digest}"
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        into = Path(tempfile.mkdtemp(dir=place.parent))
        compiler = parts.need("javac", "openjdk-17-jdk-headless")
        parts.run([compiler, "--release", "17", "-encoding", "UTF-8", "-d", into, source])
        try:
            into.rename(place)
        except OSError:
            assert place.exists()  # another run was faster; its classes are the same
    return place


class Jvm(Process):
    """OddBeans, or another program of ours, with a JMX agent on a free port of this machine.

    `agent` are settings after "com.sun.management.jmxremote.", over ours: the same port for
    registry and server, neither password nor TLS. `system` are further system properties,
    `arguments` are the program's.
    """

    def __init__(
        self,
        directory: Path,
        *,
        java: str = "java",
        agent: Mapping[str, object] | None = None,
        system: Mapping[str, object] | None = None,
        host: str = "127.0.0.1",
        program: str = "OddBeans",
        arguments: Sequence[str | Path] = (),
    ) -> None:
        self.port = free_port()
        settings = {
            "host": host,
            "port": self.port,
            "rmi.port": self.port,
            "authenticate": "false",
            "ssl": "false",
            **(agent or {}),
        }
        options = [f"-D{AGENT}.{name}={value}" for name, value in settings.items()]
        options += [f"-D{name}={value}" for name, value in (system or {}).items()]
        command: list[str | Path] = [parts.java() if java == "java" else java, *JVM, *options]
        command += ["-cp", classes(program), program, *arguments]
        super().__init__(program, command, directory / "jvm.log")

    def start(self) -> None:
        super().start()
        seen = self.log.read_text(errors="replace").count("ready") if self.log.exists() else 0
        self.wait_until(
            lambda: self.log.read_text(errors="replace").count("ready") > seen, START_SECONDS
        )
