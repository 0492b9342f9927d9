"""The names of values, as rules of the Prometheus jmx_exporter make them. Begin with `rules.py`."""
