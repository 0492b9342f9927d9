"""Keys and certificates for JVMs and clients, made anew for each run."""

from __future__ import annotations

from pathlib import Path

from tests.lab import parts

PASSWORD = "changeit"
SERVER_NAME = "broker.example"
"""What the server's certificate is for. No test connects to a host of that name."""


class Keys:
    """A CA, a server and a client that it signed, and another CA that signed nothing of theirs."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self.ca_file = directory / "ca.pem"
        self.other_ca_file = directory / "other.pem"
        self.server_store = directory / "server.p12"
        self.trust_store = directory / "trust.p12"
        self.client_certificate_file = directory / "client.pem"
        self.client_key_file = directory / "client.key"
        self._sign("ca")
        self._sign("other")
        self._sign("server", "-addext", f"subjectAltName=DNS:{SERVER_NAME}", by_ca=True)
        self._sign("client", by_ca=True)
        self._make_stores()

    @property
    def server_system(self) -> dict[str, object]:
        """System properties of a JVM that has the server's key and trusts clients of the CA."""
        return {
            "javax.net.ssl.keyStore": self.server_store,
            "javax.net.ssl.keyStorePassword": PASSWORD,
            "javax.net.ssl.trustStore": self.trust_store,
            "javax.net.ssl.trustStorePassword": PASSWORD,
        }

    def _sign(self, name: str, *more: str, by_ca: bool = False) -> None:
        directory = self._directory
        command: list[str | Path] = [parts.need("openssl", "openssl"), "req", "-x509"]
        command += ["-days", "30", "-subj", f"/CN={name}"]
        command += ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        command += ["-keyout", directory / f"{name}.key", "-out", directory / f"{name}.pem"]
        if by_ca:
            command += ["-CA", directory / "ca.pem", "-CAkey", directory / "ca.key"]
            command += ["-addext", "basicConstraints=critical,CA:FALSE"]
        parts.run([*command, *more])

    def _make_stores(self) -> None:
        directory = self._directory
        command: list[str | Path] = [parts.need("openssl", "openssl"), "pkcs12", "-export"]
        command += ["-inkey", directory / "server.key", "-in", directory / "server.pem"]
        command += ["-name", "server", "-out", self.server_store, "-passout", f"pass:{PASSWORD}"]
        parts.run(command)
        command = [parts.need("keytool", "openjdk-17-jre-headless"), "-importcert", "-noprompt"]
        command += ["-alias", "ca", "-file", self.ca_file, "-keystore", self.trust_store]
        command += ["-storetype", "PKCS12", "-storepass", PASSWORD]
        parts.run(command)
