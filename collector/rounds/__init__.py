"""Rounds: when they are taken, what is in one, what is told of its way. Begin with `room.py`."""
