"""Data: sources, tables, and stored splits that are verified by digest."""
