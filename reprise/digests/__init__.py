"""Digests of files by their content: one module for each kind, all pure; nothing is ever loaded.

`digest` finds the kind by name and first bytes, and falls back to the bytes where a file is not
what its name says. What each kind leaves out is listed in docs/what-is-compared.md.
"""

from reprise.digests.content import Content, digest

__all__ = ["Content", "digest"]
