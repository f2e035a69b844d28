"""Reproduces runs from their records, and reports whether the replay equals the original."""
