"""Sockets and processes, as /proc has them."""

from __future__ import annotations

import pytest

from collector.discovery import listening
from collector.discovery.listening import Socket, machine, sockets

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout"
TAIL = "00000000:00000000 00:00000000 00000000     0        0"
TCP = f"""{HEAD}
   0: 00000000:2384 00000000:0000 0A {TAIL} 100 1 0
   1: 0100007F:270F 00000000:0000 0A {TAIL} 101 1 0
   2: 0100007F:270F 0100007F:9C40 01 {TAIL} 102 1 0
   3: nonsense
   4: XYZ:12 00000000:0000 0A {TAIL} 103 1 0
"""
TCP6 = f"""{HEAD}
   0: 00000000000000000000000000000000:1F93 00000000000000000000000000000000:0000 0A {TAIL} 200 1 0
   1: 0000000000000000FFFF00000100007F:765B 00000000000000000000000000000000:0000 0A {TAIL} 201 1 0
   2: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A {TAIL} 202 1 0
   3: 00000000000000000000000001000000:0051 00000000000000000000000001000000:1111 06 {TAIL} 203 1 0
"""


def test_ports_that_are_listened_on_and_where_to_reach_them():
    assert sockets(TCP, is_v6=False) == [
        Socket("127.0.0.1", 9092, 100),
        Socket("127.0.0.1", 9999, 101),
    ]
    assert sockets(TCP6, is_v6=True) == [
        Socket("127.0.0.1", 8083, 200),
        Socket("127.0.0.1", 30299, 201),
        Socket("::1", 80, 202),
    ]
    assert sockets("", is_v6=False) == []


@pytest.fixture
def proc(tmp_path):
    """A /proc with our own process, a broker of ours, a broker in a container, and a stranger's."""

    def process(pid, cmdline, *, inodes=(), cgroup="0::/user.slice\n", comm="x"):
        place = tmp_path / str(pid)
        (place / "fd").mkdir(parents=True)
        (place / "cmdline").write_bytes(b"\0".join(map(str.encode, cmdline)) + b"\0")
        (place / "cgroup").write_text(cgroup)
        (place / "comm").write_text(f"{comm}\n")
        for number, inode in enumerate(inodes):
            (place / "fd" / str(number)).symlink_to(f"socket:[{inode}]")
        (place / "fd" / "9").symlink_to("/dev/null")
        return place

    (tmp_path / "net").mkdir()
    (tmp_path / "net/tcp").write_text(TCP)
    (tmp_path / "net/tcp6").write_text(TCP6)
    (tmp_path / "self").mkdir()
    (tmp_path / "self/cgroup").write_text("0::/user.slice\n")
    java = ["java", "-cp", "x", "kafka.Kafka", "server.properties"]
    own = process(10, java, inodes=(100, 101), comm="java")
    (own / "cwd").mkdir()
    (own / "cwd/server.properties").write_text("node.id=4\n")
    process(11, java, cgroup="0::/system.slice/docker-0123abc.scope\n")
    process(12, ["node_exporter"], inodes=(200,), comm="prometheus-node-exporter")
    (tmp_path / "interrupts").write_text("")
    return tmp_path


def test_processes_own_ports_and_may_be_in_containers(proc):
    seen = machine(proc)
    assert seen.has_sockets
    assert [one.pid for one in sorted(seen.java, key=lambda one: one.pid)] == [10, 11]
    assert seen.owners == {100: 10, 101: 10, 200: 12}
    assert seen.names == {10: "java", 12: "prometheus-node-exporter"}
    assert seen.containers == {11: "docker-0123abc.scope"}
    assert seen.hidden == 0


def test_a_file_is_read_as_its_process_finds_it(proc):
    seen = machine(proc)
    (own,) = [one for one in seen.java if one.pid == 10]
    assert listening.read_file(own, "server.properties", proc) == "node.id=4\n"
    assert listening.read_file(own, "/nowhere/server.properties", proc) is None


def test_without_a_list_of_sockets_it_is_said(tmp_path):
    assert not machine(tmp_path).has_sockets
