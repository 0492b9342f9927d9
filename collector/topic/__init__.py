"""The telemetry topic: `writer.py` is its near side, `reader.py` its far side."""
