"""What a running collector shows of itself, by HTTP. Begin with `pages.py`."""
