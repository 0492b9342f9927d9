"""The cluster as one read found it, once a round, for all who need it."""
