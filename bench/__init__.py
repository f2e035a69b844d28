"""Benchmarks: whole processes, side by side with what a user would pick instead."""
