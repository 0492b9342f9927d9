"""The flow: from a Log to a Destination, in order, at least once. Begin with `pump.py`."""
