"""Sinks: receivers at the far end, one protocol each. Begin with `delivery.py`."""
