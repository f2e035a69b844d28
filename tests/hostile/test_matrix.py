"""docs/trust.md lists the attacks that are tried: one row for each file of attacks."""

import re
from pathlib import Path

from attackers import NO_ATTACKS

HERE = Path(__file__).parent
_ROW = re.compile(r"^\| `(test_\w+\.py)` \| (.+) \| (.+) \|$", re.MULTILINE)


def test_each_file_of_attacks_has_one_row_in_the_document():
    document = (HERE.parents[1] / "docs" / "trust.md").read_text(encoding="utf-8")

    rows = [name for name, _, _ in _ROW.findall(document)]

    assert sorted(rows) == sorted({p.name for p in HERE.glob("test_*.py")} - NO_ATTACKS)
