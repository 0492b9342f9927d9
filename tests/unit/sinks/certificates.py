"""Certificates for scripted peers, made anew by openssl."""

from __future__ import annotations

import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.lab.parts import need

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
SETTINGS = """
[ca]
default_ca = own
[own]
database = {directory}/index.txt
new_certs_dir = {directory}
certificate = {directory}/ca.pem
private_key = {directory}/ca.key
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = supplied
"""


def openssl(*words: str | Path) -> None:
    subprocess.run([need("openssl", "openssl"), *words], check=True, capture_output=True)


class Authority:
    """Signs certificates; each becomes `NAME.pem` and `NAME.key` in its directory.

    The authority's own certificate, `file`, is what clients trust.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self.file = directory / "ca.pem"
        more = ("-days", "30", "-addext", "basicConstraints=critical,CA:TRUE")
        files = ("-keyout", directory / "ca.key", "-out", self.file)
        openssl("req", "-x509", "-subj", f"/CN={directory.name}", *KEY, *more, *files)

    def signed(self, name: str, *alternatives: str, is_over: bool = False) -> tuple[Path, Path]:
        """Return the files of a new certificate and its key; `is_over`: it has expired.

        `alternatives` are like "IP:127.0.0.1".
        """
        pem, key, ask = (self._directory / f"{name}.{end}" for end in ("pem", "key", "csr"))
        extensions = self._directory / f"{name}.ext"
        names = f"subjectAltName={','.join(alternatives)}\n" if alternatives else ""
        extensions.write_text(f"basicConstraints=critical,CA:FALSE\n{names}")
        openssl("req", "-new", "-subj", f"/CN={name}", *KEY, "-keyout", key, "-out", ask)
        # Signed by `ca`, which alone takes times: openssl req and x509 know only days from now.
        (self._directory / "index.txt").write_text("")
        settings = self._directory / "ca.cnf"
        settings.write_text(SETTINGS.format(directory=self._directory))
        days = timedelta(days=-2 if is_over else -1), timedelta(days=-1 if is_over else 30)
        begin, end = (f"{datetime.now(UTC) + one:%y%m%d%H%M%SZ}" for one in days)
        times = ("-startdate", begin, "-enddate", end)
        files = ("-in", ask, "-out", pem, "-extfile", extensions)
        openssl("ca", "-batch", "-notext", "-config", settings, *times, *files)
        return pem, key

    def server(self, name: str, *alternatives: str, is_over: bool = False) -> ssl.SSLContext:
        """Return the TLS of a server with a new certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.signed(name, *alternatives, is_over=is_over))
        return context
