"""A project of uv's that needs NumPy, and its lock."""

_FILES = "https://e.org"
UV_PROJECT = """\
[project]
name = "mine"
version = "0.1"
requires-python = ">=3.10"
dependencies = ["numpy"]
"""


def uv_lock(*, version, sha256, source="virtual"):
    """Return what `uv lock` writes for the project: its source is virtual, or editable."""
    return f"""\
version = 1
revision = 3
requires-python = ">=3.10"

[[package]]
name = "mine"
version = "0.1"
source = {{ {source} = "." }}
dependencies = [{{ name = "numpy" }}]

[package.metadata]
requires-dist = [{{ name = "numpy" }}]

[[package]]
name = "numpy"
version = "{version}"
source = {{ registry = "https://example.org/simple" }}
wheels = [
    {{ url = "{_FILES}/numpy-{version}-py3-none-any.whl", hash = "sha256:{sha256}", size = 1 }},
]
"""
