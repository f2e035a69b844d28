"""Processes: what a signal does to one."""
