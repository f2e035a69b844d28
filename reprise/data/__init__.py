"""Data: where it comes from, tables, and stored splits that are verified by digest."""
