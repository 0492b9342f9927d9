"""How one gets to a receiver and in: login, more headers, certificates, a proxy, a rate.

Everything secret is a file, read again when it changes. What was read is known to `shown`, which
takes it out of whatever comes back: receivers and proxies like to repeat what they were sent.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from collector.config import ProxyConfig, ScrapeConfig, SinkConfig, TlsConfig
from collector.config.headers import FILE_ENDING
from collector.errors import CollectorError, Retry
from collector.horizon import Horizon
from collector.http.rate import Rate
from collector.security.certificates import Certificates
from collector.security.credentials import Secret

Read = Callable[[], str]

_TOKEN = re.compile(r"[\x21-\x7e]+")
_LINE = re.compile(r"[^\r\n]+")
_HEADER = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")


@dataclass(frozen=True, slots=True)
class Login:
    """A user and where the password is."""

    username: str
    password: Read = field(repr=False)


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. `host` may be an IPv6 address, without brackets."""

    host: str
    port: int
    login: Login | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """The way into one receiver; nothing of it has been read yet. Shared by all that send there.

    `headers` are text, or secrets to be asked for before each request, as `token` is.
    `horizon` is told what time the receiver says it is. `whose` stands in hints, behind a key.
    """

    token: Read | None = field(default=None, repr=False)
    login: Login | None = None
    headers: Mapping[str, str | Read] = field(default_factory=dict, repr=False)
    tls: TlsConfig = field(default_factory=TlsConfig)
    proxy: Proxy | None = None
    rate: Rate | None = None
    horizon: Horizon | None = None
    whose: str = "this sink"


def access(sink: SinkConfig) -> Access:
    """Return the access that a sink of the configuration describes. Reads no file."""
    return Access(
        token=Secret(sink.token_file).read if sink.token_file else None,
        login=_login(sink.username, sink.password_file),
        headers={
            name.removesuffix(FILE_ENDING): Secret(value).read if isinstance(value, Path) else value
            for name, value in sink.headers.items()
        },
        tls=sink.tls or TlsConfig(),
        proxy=_proxy(sink.proxy) if sink.proxy else None,
        rate=Rate(sink.rate_limit) if sink.rate_limit else None,
    )


def page_access(page: ScrapeConfig) -> Access:
    """Return the access to a page that is scraped. Reads no file."""
    return Access(
        token=Secret(page.token_file).read if page.token_file else None,
        login=_login(page.username, page.password_file),
        tls=page.tls or TlsConfig(),
        whose="this target",
    )


def _proxy(proxy: ProxyConfig) -> Proxy:
    parts = urlsplit(proxy.url)
    login = _login(proxy.username, proxy.password_file)
    return Proxy(parts.hostname or "", parts.port or 80, login)


def _login(username: str | None, password_file: Path | None) -> Login | None:
    if username is None or password_file is None:
        return None
    return Login(username, Secret(password_file).read)


class Keyring:
    """What an `Access` holds now. Belongs to one thread.

    Reading raises Retry: a file that is missing or wrong is a hold, since somebody may put it
    right. It names the key to look at, and never what the file holds.
    """

    def __init__(self, access: Access) -> None:
        self.access = access
        self.certificates = Certificates(access.tls)
        self._secrets: dict[str, str] = {}  # by the key that names the file

    def headers(self) -> dict[str, str]:
        """Return the headers of the next request that let it in."""
        found = {
            name: value if isinstance(value, str) else self._read(f"headers.{name}_file", value)
            for name, value in self.access.headers.items()
        }
        if self.access.token is not None:
            found["Authorization"] = f"Bearer {self._read('token_file', self.access.token, _TOKEN)}"
        elif self.access.login is not None:
            found["Authorization"] = self._basic("password_file", self.access.login)
        return found

    def proxy_headers(self) -> dict[str, str]:
        """Return the headers that let us through the proxy."""
        proxy = self.access.proxy
        if proxy is None or proxy.login is None:
            return {}
        return {"Proxy-Authorization": self._basic("proxy.password_file", proxy.login)}

    def renewed(self) -> bool:
        """Say whether a file holds something else than when it was last used."""
        if self.certificates.changed():
            return True
        before = dict(self._secrets)
        try:
            self.headers()
            self.proxy_headers()
        except Retry:
            return False
        is_new = before != self._secrets
        self._secrets |= before  # what was sent, until the next request
        return is_new

    def shown(self, text: bytes) -> bytes:
        """Return text from afar without what it may repeat of ours."""
        for secret in sorted(self._secrets.values(), key=len, reverse=True):
            text = text.replace(secret.encode(), b"***")
        return text

    def _basic(self, key: str, login: Login) -> str:
        password = self._read(key, login.password, _LINE)
        pair = f"{login.username}:{password}".encode()
        self._secrets[f"{key} in base64"] = b64encode(pair).decode()
        return f"Basic {b64encode(pair).decode()}"

    def _read(self, key: str, read: Read, form: re.Pattern[str] = _HEADER) -> str:
        self._secrets.pop(key, None)
        try:
            text = read()
        except (OSError, CollectorError) as error:
            says = f"a secret can't be read: {error}"
            raise self._hold(says, f"look at {key} of {self.access.whose}") from error
        if not form.fullmatch(text):
            raise self._hold(
                "a secret is empty, or has characters that an HTTP header can't carry",
                f"write it alone into the file that {key} of {self.access.whose} names",
            )
        self._secrets[key] = text
        return text

    def _hold(self, message: str, hint: str) -> Retry:
        hold = Retry(message, hint, hold=True, reached=False)
        hold.renewed = self.renewed
        return hold
