"""The record of a run, digests of its content, and what two records say together; pure."""
