"""The spool: every round on disk until the far side has it. Begin with `spool.py`."""
