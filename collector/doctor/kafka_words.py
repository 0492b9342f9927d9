"""What Kafka's and librdkafka's words mean: the layer, the cause, and what to type. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping

from collector.admin.client import hint
from collector.admin.wire import Failure
from collector.doctor.finding import Finding, Layer, cannot_tell, problem
from collector.doctor.handshake import Listener
from collector.rights import Right

_OURS = re.compile(
    r"alert (?:bad|unknown|expired|unsupported|revoked)? ?certificate|certificate required|"
    r"alert handshake failure|certificate expired|alert unknown ca|alert certificate",
    re.IGNORECASE,
)


def judged(
    subject: str, failure: Failure, kafka: Mapping[str, object], there: Listener | None = None
) -> Finding:
    """Name the layer and the cause of a failed call.

    `kafka` are the configuration's properties, `there` is what its port is, where that was tried.
    """
    code, says = failure.code, f"{failure.text} ({failure.code})"
    if failure.is_ours:
        return cannot_tell(Layer.KAFKA, subject, str(failure), hint(failure))
    if failure.is_forbidden:
        return problem(Layer.RIGHTS, subject, says, hint(failure))
    if code == "_RESOLVE":
        do = "getent ahosts HOST; look at /etc/resolv.conf, and at kafka: bootstrap.servers"
        return problem(Layer.DNS, subject, says, do)
    wants_tls = "SSL" in str(kafka.get("security.protocol", "")).upper()
    if there and there.is_open and there.has_tls != wants_tls and not failure.text.count("alert"):
        ours = str(kafka.get("security.protocol", "plaintext")).upper()
        speaks = "TLS" if there.has_tls else "no TLS"
        do = f"security.protocol of kafka is {ours}: correct it (SASL_SSL is TLS too), or the port"
        return problem(Layer.TLS, subject, f"the listener speaks {speaks}: {says}", do)
    if there and there.distrust and wants_tls:
        says = f"its certificate is not trusted: {there.distrust}"
        return problem(Layer.TLS, subject, says, _about_tls(there.distrust, kafka))
    if code == "_SSL" or "SSL alert" in failure.text:
        return problem(Layer.TLS, subject, says, _about_tls(failure.text, kafka))
    if "AUTHENTICATION" in code:
        return problem(Layer.LOGIN, subject, says, _about_login(kafka))
    if code in {"_INVALID_ARG", "_UNKNOWN_PROPERTY"}:
        return problem(Layer.CONFIG, subject, says, hint(failure))
    if there and there.is_open:
        do = (
            "the port is open, and nobody there speaks Kafka to us: is it a broker's? Compare "
            "security.protocol of kafka with the broker's listener.security.protocol.map"
        )
        return problem(Layer.KAFKA, subject, says, do)
    return problem(Layer.NETWORK, subject, says, hint(failure))


def _about_tls(text: str, kafka: Mapping[str, object]) -> str:
    if _OURS.search(text):
        return (
            "the broker does not accept our certificate: look at ssl.certificate.location and "
            "ssl.key.location: openssl x509 -noout -subject -issuer -enddate -in FILE"
        )
    if "expired" in text:
        return "renew the broker's certificate, or look at the clock of this machine"
    if "mismatch" in text or "not valid for" in text:
        return "the broker's certificate names another host: correct bootstrap.servers, or renew it"
    if "verify" in text or "issuer" in text or "self" in text:
        ca = kafka.get("ssl.ca.location", "the system's")
        return f"name the authority that signed the broker's certificate: ssl.ca.location, now {ca}"
    return "look at ssl.* under kafka:"


def _about_login(kafka: Mapping[str, object]) -> str:
    user = kafka.get("sasl.username")
    mechanism = str(kafka.get("sasl.mechanism", kafka.get("sasl.mechanisms", "")))
    if mechanism.startswith("SCRAM") and user:
        return (
            f"compare sasl.password_file with the broker's: kafka-configs.sh --alter --entity-type "
            f"users --entity-name {user} --add-config '{mechanism}=[password=...]' sets a new one"
        )
    return "look at sasl.mechanism, sasl.username and sasl.password_file under kafka:"


def user_of(kafka: Mapping[str, object]) -> str:
    """Who we are to Kafka, as kafka-acls.sh is told it."""
    user = kafka.get("sasl.username")
    if user:
        return f"User:{user}"
    if "ssl.certificate.location" in kafka:
        return "'User:CN=...' (the certificate's subject, as the broker writes it)"
    return "User:edgevitals"


def command(right: Right, kafka: Mapping[str, object]) -> str:
    """What gives a right, typed by somebody who may change rights."""
    servers = kafka.get("bootstrap.servers", "HOST:PORT")
    return (
        f"kafka-acls.sh --bootstrap-server {servers} --add --allow-principal {user_of(kafka)} "
        f"{right.options}"
    )
