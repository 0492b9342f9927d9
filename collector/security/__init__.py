"""Secrets and certificates: read from files, followed when these change, never shown."""
