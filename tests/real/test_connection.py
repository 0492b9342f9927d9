"""What happens to a connection on its way: cut, thin, flapping, with names that lead nowhere.

`SOAK_CUTS` is how often the line is cut, `SOAK_FLAPS` how often the link goes down: `make
soak` sets more than is usual here.
"""

from __future__ import annotations

import ctypes
import os
import random
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from collector.config import TlsConfig
from collector.errors import Retry
from collector.http.access import Access
from collector.sinks.post import Post
from collector.sinks.reply import Ambiguous
from tests.lab.prometheus import Prometheus
from tests.lab.proxy import Cut, Proxy, Tap
from tests.lab.remote_write import RemoteWrite
from tests.lab.waiting import wait_for
from tests.lab.witness import RemoteWriteWitness
from tests.real import inside
from tests.real.edge import SOON, Edge, seqs_at, sink
from tests.real.test_remote_write import SIZE, batch, must_hold, rounds
from tests.unit.sinks.certificates import Authority
from tests.unit.sinks.peer import Peer, answer

CUTS = int(os.environ.get("SOAK_CUTS", "40"))
FLAPS = int(os.environ.get("SOAK_FLAPS", "1"))


@pytest.fixture
def start_ms() -> int:
    """Hours ago, so that all rounds of a long run end before now."""
    return int(time.time() - 600) * 1000 - CUTS * 5 * 15_000


class Scissors:
    """A tap that cuts the connection behind so many bytes, then lets all others pass.

    `tap` is another that sees what passes.
    """

    def __init__(self, tap: Callable[[], Tap] | None = None) -> None:
        self._tap = tap
        self.sent_left: int | None = None
        self.received_left: int | None = None
        self.cuts = 0

    def __call__(self) -> Tap:
        return _Blade(self, self._tap() if self._tap else None)


class _Blade:
    def __init__(self, scissors: Scissors, tap: Tap | None) -> None:
        self._scissors = scissors
        self._tap = tap

    def sent(self, data: bytes) -> int | None:
        most = self._most("sent_left", data)
        if self._tap:
            self._tap.sent(data[:most])
        return most

    def received(self, data: bytes) -> int | None:
        most = self._most("received_left", data)
        if self._tap:
            self._tap.received(data[:most])
        return most

    def _most(self, name: str, data: bytes) -> int | None:
        left = getattr(self._scissors, name)
        if left is None:
            return None
        if left > len(data):
            setattr(self._scissors, name, left - len(data))
            return None
        setattr(self._scissors, name, None)
        self._scissors.cuts += 1
        return int(left)


@contextmanager
def cut_link(port: int, tap: Callable[[], Tap] | None = None) -> Iterator[tuple[Proxy, Scissors]]:
    scissors = Scissors(tap)
    with Proxy(port, scissors) as link:
        yield link, scissors


def test_f25_cut_anywhere_every_round_is_stored_once_and_in_order(prometheus, start_ms):
    """Before the connection, in the head, in the body, before the answer, in the middle of it."""
    chance = random.Random(CUTS)
    seq, cuts = 1, 0
    with (
        RemoteWriteWitness() as witness,
        cut_link(prometheus.port, witness.tap) as (link, scissors),
        closing(RemoteWrite("centre", f"http://{link.address}/api/v1/write")) as one,
    ):
        for number in range(CUTS):
            count = chance.choice([1, 1, 5])
            where = ("syn", "head", "body", "unanswered", "answer")[number % 5]
            if where == "syn":
                link.cut(chance.choice([Cut.REFUSE, Cut.RESET]))
            elif where == "head":
                scissors.sent_left = chance.randrange(200)
            elif where == "body":
                scissors.sent_left = chance.randrange(300, 1500)
            elif where == "unanswered":
                scissors.received_left = 0
            else:
                scissors.received_left = chance.randrange(1, 25)
            cuts += _sent_in_the_end(one, batch(rounds(seq, count, start_ms)), link)
            seq += count
        report = witness.report()
    must_hold(prometheus, 1, seq - 1, start_ms, "12h")
    assert cuts >= 0.8 * CUTS, "a cut far behind the last byte is felt by nobody"
    assert (report.out_of_order, report.conflicts, report.unreadable) == (0, 0, 0)
    assert one.stats.samples_delivered + one.stats.already_stored >= (seq - 1) * SIZE


def _sent_in_the_end(one: RemoteWrite, data: Any, link: Proxy) -> int:
    """Send until it is taken, as the pump does; return how often it was not."""
    for tries in range(10):
        try:
            one.send(data)
        except Retry:
            link.restore()
        else:
            return tries
    raise AssertionError("not taken in 10 tries")


def test_f25_tls_cut_anywhere_is_no_harm(tmp_path):
    """In the handshake nothing can have been taken; behind it, it may have."""
    authority = Authority(tmp_path)
    chance = random.Random(CUTS)
    ended: list[type[Retry]] = []
    with (
        Peer(answer(204), tls=authority.server("centre", "IP:127.0.0.1")) as peer,
        cut_link(peer.port) as (link, scissors),
        closing(
            Post(f"https://{link.address}/", {}, Access(tls=TlsConfig(ca_file=authority.file)))
        ) as post,
    ):
        for number in range(CUTS):
            post.close()
            side = "sent_left" if number % 2 else "received_left"
            setattr(scissors, side, chance.randrange(1200))
            scissors_before = scissors.cuts
            while scissors.cuts == scissors_before:
                try:
                    post.send(b"x" * 500)
                except Retry as why:
                    ended.append(type(why))
            assert post.send(b"whole").status == 204
    assert {Retry, Ambiguous} == set(ended)
    assert {seen.body for seen in peer.seen} <= {b"whole", b"x" * 500, b""}


def test_f26_a_thin_link_is_used_well(tmp_path):
    found = inside.run("thin_link", tmp_path, "0", "2")
    assert found["whole"] == found["series"]
    assert found["share"] >= 0.7, "of what passed, so much was new data"


def test_f26_a_link_that_flaps_loses_nothing(tmp_path):
    found = inside.run("thin_link", tmp_path, str(FLAPS), str(FLAPS), seconds=60.0 + 30 * FLAPS)
    assert found["whole"] == found["series"]


def test_f27_a_name_is_looked_up_anew_and_a_server_that_is_silent_has_one_thread(tmp_path):
    found = inside.run("names", tmp_path)
    for trouble, says in (
        ("nobody", "Name or service not known"),
        ("trouble", "Temporary failure in name resolution"),
        ("silent", "no answer from the name server within"),
    ):
        assert says in found[trouble]
    for well in ("first", "moved", "six", "one of two"):
        assert found[well] == "204"
    assert found["seen"] == [1, 2, 1]
    assert (found["alike"], found["threads"]) == ("1", "1")


def bcrypt(password: str) -> str:
    """As Prometheus wants it, by the system's own library."""
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    hashed: bytes = crypt(password.encode(), b"$2b$04$abcdefghijklmnopqrstuu")
    return hashed.decode()


def test_f31_a_password_that_is_changed_needs_no_restart_and_loses_nothing(tmp_path):
    """The centre has the new one first: until the site has it too, everything is held."""
    web, password = tmp_path / "web.yml", tmp_path / "password"
    web.write_text("")
    password.write_text("old")
    flags = [f"--web.config.file={web}"]
    with Prometheus(tmp_path / "prometheus", flags=flags) as centre:
        web.write_text(f"basic_auth_users: {{store: {bcrypt('old')}}}\n")
        login = {"username": "store", "password_file": str(password)}
        edge = Edge(tmp_path, sinks=[sink(centre.write_url, **login)])
        with edge:
            wait_for(lambda: edge.pump("forward-centre").get("delivered_rounds"), SOON)
            web.write_text(f"basic_auth_users: {{store: {bcrypt('canary-new')}}}\n")
            wait_for(lambda: edge.pump("forward-centre")["state"] == "holding", SOON)
            told = edge.pump("forward-centre")["last_error"]
            held = edge.pump("forward-centre")["backlog_rounds"]
            password.write_text("canary-new")
            wait_for(lambda: edge.pump("forward-centre")["state"] != "holding", SOON)
            wait_for(lambda: edge.pump("forward-centre")["backlog_rounds"] == 0, SOON)
            shown = str(edge.status()) + edge.metrics() + edge.log
            assert edge.terminate() == 0
        web.write_text("")
        assert seqs_at(centre) == edge.seqs_on_disk()
    assert "401 Unauthorized" in told
    assert "password_file" in told
    assert held
    assert "canary-new" not in shown


def test_f32_a_certificate_that_nobody_trusts_holds_the_line_until_somebody_does(tmp_path):
    """The centre's certificate is replaced: by another authority, then for another name."""
    old, new = Authority(tmp_path / "old"), Authority(tmp_path / "new")
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(old.file.read_bytes())
    tls: ssl.SSLContext = old.server("centre", "IP:127.0.0.1")
    with Peer(answer(204), tls=tls) as peer, Proxy(peer.port) as link:
        url = f"https://{link.address}/api/v1/write"
        edge = Edge(tmp_path, sinks=[sink(url, tls={"ca_file": str(trusted)})])
        with edge:

            def says(text: str) -> bool:
                return text in (edge.pump("forward-centre").get("last_error") or "")

            def renewed(certificate: Path, key: Path) -> None:
                tls.load_cert_chain(certificate, key)
                link.cut(Cut.RESET)  # or the old connection would go on
                link.restore()

            wait_for(lambda: edge.pump("forward-centre").get("delivered_rounds"), SOON)
            renewed(*new.signed("centre", "IP:127.0.0.1"))
            wait_for(lambda: says("tls.ca_file"), SOON)
            trusted.write_bytes(new.file.read_bytes())
            wait_for(lambda: edge.pump("forward-centre")["backlog_rounds"] == 0, SOON)
            renewed(*new.signed("other", "DNS:other.example"))
            wait_for(lambda: says("tls.server_name"), SOON)
            renewed(*new.signed("again", "IP:127.0.0.1"))
            wait_for(lambda: edge.pump("forward-centre")["backlog_rounds"] == 0, SOON)
            assert edge.terminate() == 0
        on_disk = edge.seqs_on_disk()
    seqs = [
        int(sample.value)
        for seen in peer.seen
        for series in seen.write_request().timeseries
        if any(label.value == "edgevitals_round_seq" for label in series.labels)
        for sample in series.samples
    ]
    assert list(dict.fromkeys(seqs)) == on_disk
