"""EdgeVitals: edge-first monitoring for Kafka. The program on one page is `collector/app.py`."""

__version__ = "0.1.0"
