"""Tools of those who work on this project; no part of what is installed."""
