"""Values made of other values: no I/O, no clock."""
