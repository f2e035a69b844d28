"""The team's tracking server: what runs on it, the same on one machine, and on AWS as code."""
