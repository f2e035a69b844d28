"""Runs in one file, as evidence that travels: written from one server, and read into another.

The file is a zip archive in the layout of BagIt (RFC 8493): `manifest-sha256.txt` lists the SHA-256
of every file below `data/`, so that `sha256sum --check` verifies it without Reprise.
"""
