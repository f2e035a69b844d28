"""The team's tracking server: its programs, all of it on one machine, and its AWS template."""
