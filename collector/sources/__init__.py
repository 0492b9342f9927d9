"""Sources: what can be read. A file each; `collector.target` has the seam."""
