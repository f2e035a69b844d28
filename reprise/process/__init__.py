"""Processes: how one is started ahead of its command, what it is asked, how it ends."""
