"""Links: what carries topics to another cluster, and how far it is behind."""
