"""Check a .skops file before skops reads it: its archive, its schema, and its trees' arrays.

skops builds a tree from numbers of the file, and scikit-learn uses them without a check: a child, a
feature or a number of outputs that is out of bounds crashes the process.
"""

import hashlib
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from reprise.models.archives import refuse_bomb
from reprise.trust import limits
from reprise.trust.documents import parse_json, size_text

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

_SCHEMA = "schema.json"
_TREE = ("sklearn.tree._tree", "Tree")
_NO_CONTENT = ("__id__", "protocol", "_skops_version")
_NO_CHILD = -1  # the child of a leaf


def refuse_forged(path: "Path") -> None:
    """Refuse a forged model file, as far as checks without building the model can find out.

    Raises
    ------
    ValueError, LookupError, TypeError, zipfile.BadZipFile
        With a text about what was found.
    """
    with zipfile.ZipFile(path) as archive:
        refuse_bomb(archive)
        size = archive.getinfo(_SCHEMA).file_size
        if size > limits.SCHEMA_BYTES:
            raise ValueError(f"a schema of {size_text(size)}")
        text = archive.read(_SCHEMA).decode("utf-8")
        schema = parse_json(text, largest=limits.SCHEMA_BYTES, deepest=limits.SCHEMA_DEPTH)
        _Identities(archive).check(schema)
        for node in _nodes(schema):
            is_tree = (node.get("__module__"), node.get("__class__")) == _TREE
            if node.get("__loader__") == "TreeNode" or (is_tree and "__reduce__" in node):
                _check_tree(archive, node)


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    waiting = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


class _Identities:
    """Refuses two different objects with one id: skops would read the first for both.

    skops writes a shared object out at each place. With this check, a small file cannot expand
    without end, and each object is built from the content that was checked.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._contents: dict[Any, int] = {}  # equal contents have equal numbers
        self._of: dict[int, int] = {}  # the number of the content of each id
        self._digests: dict[str, str] = {}

    def check(self, value: Any) -> int:
        """Return the number of a value's content, without its ids."""
        if isinstance(value, dict):
            items = ((n, v) for n, v in value.items() if n not in _NO_CONTENT)
            content: Any = tuple(
                (n, self._digest(v) if n == "file" else self.check(v)) for n, v in items
            )
        elif isinstance(value, list):
            content = (list, *map(self.check, value))
        else:
            content = (type(value), value)
        number = self._contents.setdefault(content, len(self._contents))
        if isinstance(value, dict) and value.get("__id__") is not None:
            self._check_id(value, number)
        return number

    def _check_id(self, node: dict[str, Any], number: int) -> None:
        identity = node["__id__"]
        if not isinstance(identity, int) or node.get("__loader__") == "CachedNode":
            raise ValueError("a reference, which skops reads but never writes")
        if self._of.setdefault(identity, number) != number:
            raise ValueError(f"two objects with the id {identity}")

    def _digest(self, name: Any) -> str:
        if not isinstance(name, str):
            raise TypeError(f"{name!r:.50} for the name of a file")
        if name not in self._digests:
            with self._archive.open(name) as file:
                self._digests[name] = hashlib.sha256(file.read()).hexdigest()
        return self._digests[name]


def _check_tree(archive: zipfile.ZipFile, node: dict[str, Any]) -> None:
    """Check the parts that a tree is built from; scikit-learn does not check them."""
    n_features, n_classes, n_outputs = node["__reduce__"]["args"]["content"]
    state = node["content"]["content"]
    features, outputs = _number(n_features), _number(n_outputs)
    depth, count = _number(state["max_depth"]), _number(state["node_count"])
    classes = _array(archive, n_classes)
    nodes, values = _array(archive, state["nodes"]), _array(archive, state["values"])
    sound = (
        features >= 1
        and outputs >= 1
        and classes.shape == (outputs,)
        and classes.dtype.kind in "iu"
        and bool((classes >= 1).all())
        and nodes.ndim == 1
        and 1 <= count == len(nodes)
        and values.shape == (count, outputs, int(classes.max()))
        and values.dtype.kind == "f"
    )
    if not sound:
        raise ValueError("a tree with other numbers of features, classes or nodes than its arrays")
    _check_nodes(nodes, features=features, depth=depth)


def _check_nodes(nodes: "np.ndarray[Any, Any]", *, features: int, depth: int) -> None:
    """Check that the nodes are one tree: each but the first is the child of an earlier node."""
    import numpy as np

    left, right = nodes["left_child"], nodes["right_child"]
    leaf = left == _NO_CHILD
    if not np.array_equal(leaf, right == _NO_CHILD):
        raise ValueError("a tree with a node of one child")
    inner = np.flatnonzero(~leaf)
    children = np.concatenate([left[inner], right[inner]])
    parents = np.concatenate([inner, inner])
    if not np.array_equal(np.sort(children), np.arange(1, len(nodes))) or (
        (children <= parents).any()
    ):
        raise ValueError("a tree with nodes that lead outside, in a circle, or to one node twice")
    feature = nodes["feature"][inner]
    if ((feature < 0) | (feature >= features)).any():
        raise ValueError(f"a tree that uses a feature beyond its {features}")
    if (nodes["n_node_samples"] < 0).any() or np.isnan(nodes["threshold"][inner]).any():
        raise ValueError("a tree with an impossible number of samples, or threshold")
    level, found = np.zeros(1, dtype=np.intp), 0
    while level.size and found <= depth:
        below = level[~leaf[level]]
        level = np.concatenate([left[below], right[below]])
        found += bool(level.size)
    if found != depth:
        raise ValueError(f"a tree with another depth than the {depth} levels that it claims")


def _number(node: dict[str, Any]) -> int:
    content = node["content"] if node["__loader__"] == "JsonNode" else None
    if not isinstance(content, str) or not content.isascii() or not content.isdigit():
        raise ValueError(f"a tree with {content!r:.50} for a number")
    return int(content)


def _array(archive: zipfile.ZipFile, node: dict[str, Any]) -> "np.ndarray[Any, Any]":
    import numpy as np

    if node["__loader__"] != "NdArrayNode" or node["type"] != "numpy":
        raise ValueError("a tree with something else in the place of an array")
    with archive.open(node["file"]) as file:
        array: np.ndarray[Any, Any] = np.load(file, allow_pickle=False)
    return array
