"""The real programs that tests, demo and bench stand on, fetched once and kept outside the clone.

    $EDGEVITALS_CACHE, else $XDG_CACHE_HOME/edgevitals, else ~/.cache/edgevitals
        kafka-4.3.1-<digest>/*.jar              from Maven Central, by a profile of pom.xml
        debian-bookworm-amd64-<digest>/usr/bin  Debian's packages, unpacked and not installed:
                                                no service of theirs starts, nobody must be root
        debian-libfaketime-bookworm-amd64       a package that came later: a part of its own
        go-prometheus-v0.316.0-<digest>         built from Go modules: `go.py`

A part is built in a directory beside its place and renamed when it is whole, under a lock: two
runs at once share one download, and one that is interrupted leaves nothing half made. The digest
covers what the part is made from, so a changed version is a new directory. Debian's part is keyed
by the release: its security updates arrive when the directory is removed.

Standard library only: this runs before the Python environment exists.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).parents[2]
POM = PROJECT / "pom.xml"
KAFKA = "4.3.1"
Command = Sequence[str | Path]
PACKAGES = ("prometheus", "prometheus-alertmanager", "prometheus-node-exporter")


class SetupError(Exception):
    """A part can't be had; the message says what a person can do."""


def cache() -> Path:
    """Return the directory that outlives clones."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("EDGEVITALS_CACHE") or Path(home, "edgevitals")).absolute()


def jars(profile: str) -> Path:
    """Return the directory of a jar set; `profile` is an id in pom.xml, such as `kafka-4.3.1`."""
    return part(f"{profile}-{_profile_digest(profile)}", lambda into: _copy_jars(profile, into))


def kafka(version: str = KAFKA) -> Path:
    """Return the directory of a Kafka release's jars."""
    return jars(f"kafka-{version}")


def prometheus() -> Path:
    return _debian("prometheus")


def promtool() -> Path:
    return _debian("promtool")


def alertmanager() -> Path:
    return _debian("prometheus-alertmanager")


def amtool() -> Path:
    return _debian("amtool")


def node_exporter() -> Path:
    return _debian("prometheus-node-exporter")


def faketime() -> Path:
    """Return libfaketime, to be preloaded: a clock of its own for one program, set by a file."""
    (library,) = debian_packages("libfaketime").glob("usr/lib/*/faketime/libfaketimeMT.so.1")
    return library


def strace() -> Command:
    """Return how strace begins: makes a program's n-th call of a kind fail, or kills it there."""
    place = debian_packages("strace", "libunwind8")
    (libraries,) = {library.parent for library in place.glob("usr/lib/*/libunwind.so.8")}
    return ("env", f"LD_LIBRARY_PATH={libraries}", place / "usr/bin/strace")


def debian_packages(*packages: str) -> Path:
    """Return where packages of Debian's lie unpacked: a part of their own."""
    key = f"debian-{'-'.join(packages)}-{_release()}-{_machine()}"
    return part(key, lambda into: _unpack_packages(into, packages))


def java() -> str:
    """Return the `java` on the path. Kafka 4 needs 17 or newer."""
    return need("java", "openjdk-17-jre-headless")


def need(program: str, package: str) -> str:
    """Return the path of a program, with Debian's package installed first when it is missing."""
    found = shutil.which(program)
    if found is None:
        install(package, f"{program} is missing")
        found = shutil.which(program)
    if found is None:
        raise SetupError(f"{program} is missing, even with Debian's package {package}")
    return found


def install(package: str, reason: str) -> None:
    """Install one of Debian's packages when we may; else raise SetupError with what to type."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SetupError(f"{reason}. Type: sudo apt-get install {package}")
    say(f"{reason}: installing Debian's {package}")
    command = ["apt-get", "install", "-y", "--no-install-recommends", package]
    if not _succeeds(command):  # most often because there are no package lists, or old ones
        run(["apt-get", "update"])
        run(command)


def say(line: str) -> None:
    print(f"edgevitals: {line}", flush=True)


def run(command: Command, cwd: Path | None = None) -> str:
    """Run a command to its end and return what it printed.

    Raises SetupError with the end of its output.
    """
    done = subprocess.run(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"},
        check=False,
    )
    if done.returncode:
        end = "\n".join(done.stdout.splitlines()[-15:])
        line = " ".join(map(str, command))
        raise SetupError(f"this ended with exit code {done.returncode}: {line}\n{end}")
    return done.stdout


def run_twice(command: Command, cwd: Path | None = None) -> str:
    """Run a download; once more when it fails, since networks do."""
    try:
        return run(command, cwd)
    except SetupError as failure:
        say(f"once more, since {failure}")
        return run(command, cwd)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that other processes respect; the system frees it when this process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _succeeds(command: Command, cwd: Path | None = None) -> bool:
    try:
        run(command, cwd)
    except SetupError:
        return False
    return True


def part(key: str, build: Callable[[Path], None]) -> Path:
    """Return the cached directory `key`, built first when it isn't there."""
    place = cache() / key
    if place.is_dir():
        return place
    with locked(cache() / f".{key}.lock"):
        if place.is_dir():
            return place
        say(f"fetching {key.rpartition('-')[0]} into {place}")
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=".making-", dir=cache()) as making:
            content = Path(making, "content")
            content.mkdir()
            build(content)
            content.rename(place)
        say(f"fetched in {time.monotonic() - began:.0f} s")
    return place


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _profile_digest(profile: str) -> str:
    space = {"pom": "http://maven.apache.org/POM/4.0.0"}
    for element in ET.parse(POM).findall("./pom:profiles/pom:profile", space):
        if element.findtext("pom:id", namespaces=space) == profile:
            return digest(ET.tostring(element, encoding="unicode"))
    raise SetupError(f"pom.xml has no profile {profile}")


def _copy_jars(profile: str, into: Path) -> None:
    maven = need("mvn", "maven")
    quietly: list[str | Path] = [maven, "-B", "-q", "--strict-checksums", "-f", POM, "-P", profile]
    run_twice([*quietly, "dependency:copy-dependencies", f"-DoutputDirectory={into}"])
    if not any(into.glob("*.jar")):
        raise SetupError(f"Maven copied no jars for {profile}: look at this profile in pom.xml")


def _debian(program: str) -> Path:
    key = f"debian-{_release()}-{_machine()}-{digest(' '.join(PACKAGES))}"
    return part(key, lambda into: _unpack_packages(into, PACKAGES)) / "usr/bin" / program


def _machine() -> str:
    """As Debian names it."""
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def _release() -> str:
    try:
        return platform.freedesktop_os_release().get("VERSION_CODENAME", "sid")
    except OSError:
        return "unknown"


def _unpack_packages(into: Path, packages: Sequence[str]) -> None:
    """Download and unpack Debian's packages: static but for libc, so without what they depend on.

    The machine's package lists are tried first. Where they are missing or old, lists of our own
    are fetched for the moment, which needs no root and leaves the machine as it was.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise SetupError(
            "apt-get and dpkg-deb are missing: Prometheus and its tools are taken from Debian's "
            "packages. Run this on Debian 12 or later, or in a container of it"
        )
    unsandboxed = ["-o", "APT::Sandbox::User=root"]  # the download directory is ours, not _apt's
    with tempfile.TemporaryDirectory(prefix=".packages-", dir=into.parent) as downloads:
        here = Path(downloads)
        if not _succeeds(["apt-get", *unsandboxed, "download", *packages], here):
            say("fetching Debian's package lists")
            lists, archives = here / "lists", here / "cache"
            (lists / "partial").mkdir(parents=True)
            (archives / "archives/partial").mkdir(parents=True)
            own = [*unsandboxed, "-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={archives}"]
            run_twice(["apt-get", *own, "update"])
            run_twice(["apt-get", *own, "download", *packages], here)
        for package in sorted(here.glob("*.deb")):
            run(["dpkg-deb", "-x", package, into])
