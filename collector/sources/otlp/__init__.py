"""The source `otlp`: applications send their metrics by OTLP over HTTP.

    receiver -> decoding (protobuf, JSON) -> points -> state -> a round takes the last values

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from collector.sources.otlp.source import OtlpSource

__all__ = ["OtlpSource"]
