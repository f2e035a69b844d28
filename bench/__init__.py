"""Benchmarks: whole processes, side by side with the alternatives."""
