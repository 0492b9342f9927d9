"""What librdkafka and brokers say, word for word, and the layer that it is about."""

from __future__ import annotations

import pytest

from collector.admin.wire import Failure
from collector.doctor.finding import Layer, Verdict
from collector.doctor.handshake import Listener
from collector.doctor.kafka_words import command, judged, user_of
from collector.rights import Right

TLS = {"security.protocol": "SSL", "ssl.ca.location": "/ca.pem"}
PLAIN: dict[str, object] = {}
SCRAM = {
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanism": "SCRAM-SHA-512",
    "sasl.username": "edge",
}
OPEN, OPEN_TLS = Listener(is_open=True), Listener(is_open=True, has_tls=True)
SHUT = Listener(is_open=False)


def failure(code: str, text: str, call: str = "list brokers") -> Failure:
    return Failure(call, code, text)


@pytest.mark.parametrize(
    "failed,kafka,there,layer,do",
    [
        (
            failure("_TRANSPORT", "a:1/bootstrap: Connect to ipv4#1 failed: Connection refused"),
            PLAIN,
            SHUT,
            Layer.NETWORK,
            "check that the broker runs",
        ),
        (
            failure("_RESOLVE", "a:1/bootstrap: Failed to resolve 'a:1': Name not known"),
            PLAIN,
            SHUT,
            Layer.DNS,
            "getent ahosts",
        ),
        (
            failure("_AUTHENTICATION", "SASL authentication error: Authentication failed"),
            SCRAM,
            OPEN,
            Layer.LOGIN,
            "--entity-name edge --add-config 'SCRAM-SHA-512=",
        ),
        (
            failure("_TRANSPORT", "Failed to get metadata: Local: Broker transport failure"),
            PLAIN,
            OPEN_TLS,
            Layer.TLS,
            "security.protocol of kafka is PLAINTEXT",
        ),
        (
            failure("_TRANSPORT", "SSL handshake failed: Disconnected"),
            TLS,
            OPEN,
            Layer.TLS,
            "security.protocol of kafka is SSL",
        ),
        (
            failure("_SSL", "SSL routines::certificate verify failed"),
            TLS,
            OPEN_TLS._replace(distrust="unable to get local issuer certificate"),
            Layer.TLS,
            "ssl.ca.location, now /ca.pem",
        ),
        (
            failure("_SSL", "SSL routines::certificate verify failed"),
            TLS,
            OPEN_TLS._replace(distrust="certificate has expired"),
            Layer.TLS,
            "renew the broker's certificate",
        ),
        (
            failure("_SSL", "SSL routines::certificate verify failed"),
            TLS,
            OPEN_TLS._replace(distrust="IP address mismatch, certificate is not valid for '1'"),
            Layer.TLS,
            "names another host",
        ),
        (
            failure("_TRANSPORT", "Receive failed: ssl/tls alert bad certificate: SSL alert 42"),
            TLS,
            OPEN_TLS,
            Layer.TLS,
            "does not accept our certificate",
        ),
        # What demands a certificate in TLS 1.2 ends our own handshake too.
        (
            failure("_SSL", "SSL handshake failed: alert handshake failure"),
            TLS,
            OPEN,
            Layer.TLS,
            "does not accept our certificate",
        ),
        (
            failure("_TRANSPORT", "Failed to get metadata: Local: Broker transport failure"),
            PLAIN,
            OPEN,
            Layer.KAFKA,
            "nobody there speaks Kafka",
        ),
        (
            failure("_INVALID_ARG", "no such property"),
            PLAIN,
            None,
            Layer.CONFIG,
            "correct the properties",
        ),
        (
            failure("TOPIC_AUTHORIZATION_FAILED", "Topic authorization failed", "describe topic"),
            PLAIN,
            None,
            Layer.RIGHTS,
            "kafka-acls.sh --add --operation Describe",
        ),
    ],
)
def test_failures_and_their_layers(failed, kafka, there, layer, do):
    finding = judged("a:1", failed, kafka, there)
    assert (finding.layer, finding.verdict) == (layer, Verdict.PROBLEM)
    assert do in finding.do[0]


def test_our_own_process_is_not_kafka():
    finding = judged("a:1", failure("ADMIN_DIED", "SIGSEGV"), PLAIN)
    assert finding.verdict is Verdict.CANNOT_TELL


def test_who_we_are_and_what_gives_a_right():
    right = Right("Read", "group", "edgevitals.", "edgevitals.a", "x", is_prefix=True)
    assert command(right, {"bootstrap.servers": "a:1", **SCRAM}) == (
        "kafka-acls.sh --bootstrap-server a:1 --add --allow-principal User:edge "
        "--operation Read --group edgevitals. --resource-pattern-type prefixed"
    )
    assert user_of({}) == "User:edgevitals"
    assert "CN=" in user_of({"ssl.certificate.location": "me.pem"})
