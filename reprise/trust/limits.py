"""Limits on input from others: sources, artifacts, files of a commit, a server's answers.

Each limit is far above the needs of normal work, and far below what fills a machine's memory or
disk, or keeps it busy for hours. `allow_large` lifts some of the limits.
"""

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

# Documents written by people: grids, experiment files, MLproject, conda.yaml.
YAML_BYTES = 1 * MIB  # a large grid has 100 KiB
YAML_DEPTH = 20  # levels of nesting; a grid file has 3
YAML_NODES = 100_000  # keys and values; a grid of 10,000 points may list them all
NUMBER_CHARACTERS = 400  # the longest float has 330

# Documents written by programs: records, verdicts, schemas.
JSON_BYTES = 32 * MIB  # a record of 100,000 inputs has 20 MiB
JSON_DEPTH = 50  # levels of nesting; a record has 5
SCHEMA_DEPTH = 200  # levels in a skops file; each level of an estimator needs three
RECORD_ENTRIES = 100_000  # inputs, files, packages or metrics of one run

# Sources and tables; `allow_large` lifts these.
SOURCE_BYTES = 2 * GIB  # of a download, and of an unpacked CSV file
SOURCE_SECONDS = 3600.0  # for a whole download: 2 GiB at 5 Mbit/s
TABLE_BYTES = 2 * GIB  # in memory, both as a Parquet file claims and as measured
WORKBOOK_BYTES = 512 * MIB  # of XML in an Excel workbook; a full sheet of ten columns has 500 MiB
TABLE_COLUMNS = 10_000  # every column takes kilobytes, even an empty one
DECODING_BYTES = 6 * GIB  # memory for reading a table: the table, its pages and Arrow's copies
PARQUET_STRING_BYTES = 16 * MIB  # of one text in the footer, such as pandas' own description
PARQUET_CONTAINER_ITEMS = 1_000_000  # of one list in the footer

# Kinds of artifacts; `allow_large` lifts the limit for a bundle.
DOCUMENT_ARTIFACT_BYTES = JSON_BYTES
BUNDLE_BYTES = 1 * GIB  # git itself is slow with larger ones
MODEL_BYTES = 2 * GIB
MODEL_FILES = 1_000  # in an MLflow model; MLflow writes fewer than 20
STORED_PART_BYTES = 2 * GIB  # of a Parquet file of a split

# A skops file: a zip archive of arrays and a schema.
ARCHIVE_MEMBERS = 100_000  # a forest of 1,000 trees has 6,000
ARCHIVE_BYTES = 4 * GIB  # unpacked
ARCHIVE_RATIO = 200  # unpacked to packed; skops does not pack, and deflate cannot exceed 1,032
SCHEMA_BYTES = 256 * MIB  # a forest of 1,000 trees has 30 MiB

# An exported archive of runs; `allow_large` lifts the limit of its ratio.
ARCHIVE_FILES = 1_000_000  # a history of 10,000 runs has 300,000
ARCHIVE_DIRECTORY_BYTES = 1 * GIB  # memory for the list of that many files
ARCHIVE_RUNS = 100_000
ARCHIVE_POINTS = 1_000_000  # of all metrics of one run
ARCHIVE_TEXT_CHARACTERS = 10_000  # of a parameter or a tag; MLflow takes 8,000
ARCHIVE_NAME_CHARACTERS = 1_000  # of a file
MANIFEST_BYTES = 256 * MIB

# A server's answers, and a working tree.
SEARCH_PAGES = 1_000  # of 1,000 runs each
LISTED_ARTIFACTS = 10_000  # of one run or model
UNTRACKED_FILES = 10_000  # in the snapshot of a run
UNTRACKED_BYTES = 64 * MIB  # of all that travel with a run, less those that the user names


@contextlib.contextmanager
def memory(added: int) -> Iterator[None]:
    """Limit the memory that this process may add inside a block; beyond it, MemoryError is raised.

    It backs up the checks of a file's claims, because a file can be larger than it claims.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[5])
    wanted = pages * resource.getpagesize() + added
    if soft != resource.RLIM_INFINITY:
        wanted = min(wanted, soft)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
