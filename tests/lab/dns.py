"""A name server for one name, that answers, refuses or says nothing, as it is told."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
from threading import Thread

from tests.lab.part import Part

PORT = 53  # /etc/resolv.conf can't name another

_NOERROR, _SERVFAIL, _NXDOMAIN = 0, 2, 3
_A, _AAAA, _IN = 1, 28, 1
_ANSWER = 0x8180  # a response, recursion was asked for and is there


class NameServer(Part):
    """Answers over UDP with the addresses in `says`, with an error's name, or not at all (None)."""

    def __init__(self, host: str) -> None:
        self.says: list[str] | str | None = []
        self.asked = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, PORT))
        self._thread = Thread(target=self._serve, name="name server", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                question, peer = self._socket.recvfrom(512)
            except OSError:
                return
            if not question:
                return
            self.asked += 1
            answer = self._answer(question)
            if answer is not None:
                self._socket.sendto(answer, peer)

    def _answer(self, question: bytes) -> bytes | None:
        says = self.says
        if says is None:
            return None
        end = question.index(b"\0", 12) + 5  # the name, its type and class
        (kind,) = struct.unpack_from("!H", question, end - 4)
        code, found = _NOERROR, []
        if isinstance(says, str):
            code = {"SERVFAIL": _SERVFAIL, "NXDOMAIN": _NXDOMAIN}[says]
        else:
            addresses = map(ipaddress.ip_address, says)
            found = [a.packed for a in addresses if kind == (_A if a.version == 4 else _AAAA)]
        head = question[:2] + struct.pack("!HHHHH", _ANSWER | code, 1, len(found), 0, 0)
        records = (
            b"\xc0\x0c" + struct.pack("!HHIH", kind, _IN, 0, len(packed)) + packed
            for packed in found
        )
        return head + question[12:end] + b"".join(records)
