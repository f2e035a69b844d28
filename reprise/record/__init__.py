"""The record of a run, digests of its content, and comparisons of two records; all pure."""
