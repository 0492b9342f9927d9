"""Frames: rounds as bytes, for the spool, the topic, and files that are carried."""
