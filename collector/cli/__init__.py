"""The command line: a file a verb, and beside it what the verb does. Begin with `program.py`."""
