"""EdgeVitals: edge-first monitoring for Kafka. The program on one page is `collector/app.py`."""

__version__ = "0.1.0"
BUILT_MS = 1_767_225_600_000  # 2026-01-01
"""In Unix ms, no later than any build of this version: a clock before it was never set."""
