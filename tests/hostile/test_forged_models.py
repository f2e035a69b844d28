"""A forged model file ends in one line before any of its arrays is used."""

import importlib
import json
import os
import signal
import zipfile
from io import BytesIO

import numpy as np
import pytest
import skops.io
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import DistanceMetric
from sklearn.neighbors import BallTree, KDTree, KNeighborsClassifier, LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from reprise.errors import ModelError
from reprise.models import model_store
from reprise.models.fitted import encoders, linear, neighbors, trees
from reprise.trust import limits

X, Y = load_iris(return_X_y=True)
FAR = 1 << 40  # from any array
DEEP = "a place that is nested without end"


class Forged:
    """A .skops file in parts, to be changed and written."""

    def __init__(self, model):
        with zipfile.ZipFile(BytesIO(skops.io.dumps(model))) as archive:
            self.members = {name: archive.read(name) for name in archive.namelist()}
        self.schema = json.loads(self.members.pop("schema.json"))

    @property
    def tree(self):
        """The first tree's node of the schema."""
        waiting = [self.schema]
        while waiting:
            node = waiting.pop(0)
            if isinstance(node, dict):
                if node.get("__loader__") == "TreeNode":
                    return node
                waiting += node.values()
            elif isinstance(node, list):
                waiting += node
        raise AssertionError("no tree")

    def number(self, place, value):
        """Replace a number of the tree, by its position among the arguments or its name."""
        if isinstance(place, int):
            node = self.tree["__reduce__"]["args"]["content"][place]
        else:
            node = self.tree["content"]["content"][place]
        node.update(content=json.dumps(value), __id__=hash((place, value)) & 0xFFFFFFFF)

    def array(self, name):
        """Return the name of the file of an array of the tree, and the array."""
        nodes = self.tree["content"]["content"]
        node = self.tree["__reduce__"]["args"]["content"][1] if name == "classes" else nodes[name]
        return node["file"], np.load(BytesIO(self.members[node["file"]]))

    def change(self, name, change):
        """Change an array of the tree."""
        file, array = self.array(name)
        changed = change(array)
        self.members[file] = _npy(array if changed is None else changed)

    def write(self, path, **packing):
        with zipfile.ZipFile(path, "w", **packing) as archive:
            for name, content in self.members.items():
                archive.writestr(name, content)
            archive.writestr("schema.json", _nested(json.dumps(self.schema)))
        return path


def _nested(text):
    return text.replace(f'"{DEEP}"', "[" * 100_000 + "]" * 100_000)


def _npy(array):
    buffer = BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _set(field, index, value):
    def change(nodes):
        nodes[field][index] = value

    return change


TREES = {
    "a left child far beyond the nodes": lambda f: f.change("nodes", _set("left_child", 0, FAR)),
    "a right child far beyond the nodes": lambda f: f.change("nodes", _set("right_child", 0, FAR)),
    "a child far before the nodes": lambda f: f.change("nodes", _set("left_child", 0, -FAR)),
    "a node that is its own child": lambda f: f.change("nodes", _set("left_child", 0, 0)),
    "a child that leads back": lambda f: f.change("nodes", _set("left_child", 2, 0)),
    "two parents of one child": lambda f: f.change("nodes", _set("left_child", 0, 2)),
    "a node of one child": lambda f: f.change("nodes", _set("left_child", 0, -1)),
    "a feature beyond the columns": lambda f: f.change("nodes", _set("feature", 0, FAR)),
    "a feature before the columns": lambda f: f.change("nodes", _set("feature", 0, -FAR)),
    "a threshold that is no number": lambda f: f.change("nodes", _set("threshold", 0, np.nan)),
    "a node of fewer samples than none": lambda f: f.change("nodes", _set("n_node_samples", 0, -1)),
    "more nodes than it has": lambda f: f.number("node_count", FAR),
    "fewer nodes than it has": lambda f: f.number("node_count", 1),
    "a number of nodes below none": lambda f: f.number("node_count", -1),
    "more levels than it has": lambda f: f.number("max_depth", 10**9),
    "levels below none": lambda f: f.number("max_depth", -5),
    "more outputs than numbers of classes": lambda f: f.number(2, FAR),
    "more features than its estimator": lambda f: f.number(0, 1000),
    "no features": lambda f: f.number(0, 0),
    "nodes cut short": lambda f: f.change("nodes", lambda a: a[:2]),
    "values cut short": lambda f: f.change("values", lambda a: a[:2]),
    "values of fewer classes": lambda f: f.change("values", lambda a: a[:, :, :1].copy()),
    "more classes than its estimator": lambda f: (
        f.change("classes", lambda a: a + 5),
        f.change("values", lambda a: np.zeros((a.shape[0], 1, 8))),
    ),
    "nodes of another kind": lambda f: f.change("nodes", lambda a: np.zeros(len(a), np.int64)),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skops"


def refusal(path):
    """Load a file and return the line that refuses it."""
    with pytest.raises(ModelError) as caught:
        model_store.load_file(path)
    line = str(caught.value)
    assert "\n" not in line
    assert "expected a model" in line
    return line


def ends_by(action):
    """Run a function in a separate process, and return the signal that ended it, if any."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            action()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else None


def test_a_forged_tree_does_end_a_process_that_does_not_look(path):
    forged = Forged(DecisionTreeClassifier(max_depth=3).fit(X, Y))
    TREES["a left child far beyond the nodes"](forged)
    forged.write(path)

    def predict():
        skops.io.load(path, trusted=list(model_store.TRUSTED_TYPES)).predict(X)

    assert ends_by(predict) == signal.SIGSEGV


@pytest.mark.parametrize("attack", TREES)
def test_a_tree_is_refused_with(attack, path):
    forged = Forged(DecisionTreeClassifier(max_depth=3).fit(X, Y))
    TREES[attack](forged)

    refusal(forged.write(path))


def test_a_forest_is_refused_with_one_forged_tree(path):
    forged = Forged(RandomForestClassifier(3, random_state=0).fit(X, Y))
    forged.change("nodes", _set("right_child", 0, FAR))

    assert "tree" in refusal(forged.write(path))


def _forest_of_other_features():
    forest = RandomForestClassifier(2, random_state=0).fit(X, Y)
    forest.estimators_[1] = RandomForestClassifier(1).fit(np.c_[X, X], Y).estimators_[0]
    return forest


def _boosting_of_other_rounds():
    model = GradientBoostingClassifier(n_estimators=2).fit(X, Y)
    model.estimators_ = model.estimators_[:, :1]
    return model


def _changed(model, **attributes):
    model.fit(X, Y)
    for name, value in attributes.items():
        setattr(model, name, value)
    return model


def _indices_beyond():
    matrix = sparse.csr_matrix(np.ones((3, 4)))
    matrix.indices[:] = 10**6
    return _changed(LogisticRegression(max_iter=1000), coef_=matrix)


ESTIMATORS = {
    "a forest of trees for other columns": _forest_of_other_features,
    "boosting with fewer trees a round than classes": _boosting_of_other_rounds,
    "boosting of something else than trees": lambda: _changed(
        GradientBoostingClassifier(n_estimators=1), estimators_=np.array([[1, 2, 3]], dtype=object)
    ),
    "a forest without trees": lambda: _changed(RandomForestClassifier(1), estimators_=[]),
    "a tree for other columns than it says": lambda: _changed(
        DecisionTreeClassifier(), n_features_in_=400
    ),
    "a tree of other classes than it says": lambda: _changed(
        DecisionTreeClassifier(), classes_=np.arange(2)
    ),
    "coefficients of another shape": lambda: _changed(
        LogisticRegression(max_iter=1000), coef_=np.ones((3, 1))
    ),
    "intercepts of another shape": lambda: _changed(
        LogisticRegression(max_iter=1000), intercept_=np.ones((7, 7))
    ),
    "fewer classes than coefficients": lambda: _changed(
        LogisticRegression(max_iter=1000), classes_=np.arange(2)
    ),
    "a sparse matrix with indices beyond its columns": _indices_beyond,
    "support vectors of fewer columns": lambda: _changed(SVC(), support_vectors_=np.ones((2, 1))),
    "more support vectors than there are": lambda: _changed(
        SVC(), _n_support=np.array([10**8, 1, 1], dtype=np.int32)
    ),
    "neighbours with labels beyond the classes": lambda: _changed(
        KNeighborsClassifier(algorithm="brute"), _y=np.full(len(Y), 10**9)
    ),
    "neighbours with fewer labels than rows": lambda: _changed(
        KNeighborsClassifier(algorithm="brute"), _y=np.zeros(1, dtype=np.intp)
    ),
}


@pytest.mark.parametrize("attack", ESTIMATORS)
def test_an_estimator_is_refused_that_is(attack, path):
    skops.io.dump(ESTIMATORS[attack](), path)

    refusal(path)


def _forged_search(tree, **changes):
    """Write a search tree whose state has other parts, by their names."""
    names = ("data", "samples", "nodes", "bounds", "leaf_size", "levels", "count")
    state = [*tree.__getstate__()]
    for name, change in changes.items():
        where = names.index(name) if name in names else 11
        part = state[where]
        state[where] = change(np.array(part) if isinstance(part, np.ndarray) else part)
    tree.__setstate__(tuple(state))
    model = KNeighborsClassifier(algorithm="kd_tree").fit(X, Y)
    model._tree = tree
    return model


def _with(change):
    """Change an array in place, where a function is to return it."""

    def changed(array):
        change(array)
        return array

    return changed


def _metric_of_fewer_columns(_metric):
    return DistanceMetric.get_metric("seuclidean", V=np.ones(1))


SEARCHES = {
    "a sample far beyond the data": {"samples": _with(lambda a: a.__setitem__(0, FAR))},
    "a sample before the data": {"samples": _with(lambda a: a.__setitem__(0, -FAR))},
    "a sample twice": {"samples": _with(lambda a: a.__setitem__(0, a[1]))},
    "fewer samples than rows": {"samples": lambda a: a[:3].copy()},
    "a node that ends beyond": {"nodes": _with(_set("idx_end", -1, FAR))},
    "a node that begins before": {"nodes": _with(_set("idx_start", -1, -FAR))},
    "a node that ends before it begins": {"nodes": _with(_set("idx_end", 2, 0))},
    "a last node with children": {"nodes": _with(_set("is_leaf", -1, 0))},
    "fewer nodes than levels have": {"nodes": lambda a: a[:1].copy()},
    "more nodes than there are": {"count": lambda _: FAR},
    "more levels than there are": {"levels": lambda _: 60},
    "bounds of fewer nodes": {"bounds": lambda a: a[:, :1].copy()},
    "bounds of fewer columns": {"bounds": lambda a: a[:, :, :1].copy()},
    "bounds of no side": {"bounds": lambda a: a[:0].copy()},
    "data of fewer rows": {"data": lambda a: a[:3].copy()},
    "a metric of fewer columns": {"metric": _metric_of_fewer_columns},
    "no metric": {"metric": lambda _: None},
}


@pytest.mark.parametrize("kind", [KDTree, BallTree])
@pytest.mark.parametrize("attack", SEARCHES)
def test_a_search_tree_is_refused_with(attack, kind, path):
    skops.io.dump(_forged_search(kind(X, leaf_size=10), **SEARCHES[attack]), path)

    refusal(path)


def _predictor_with(change):
    model = HistGradientBoostingClassifier(max_iter=2).fit(X, Y)
    change(model._predictors[1][2])
    return model


def _by_category(tree):
    tree.nodes["is_categorical"][0] = 1


def _cut(tree):
    tree.nodes = tree.nodes[:1]


def _of_other_columns(tree):
    tree.raw_left_cat_bitsets = np.zeros((1, 1), np.uint32)


PREDICTORS = {
    "a left child beyond": lambda t: t.nodes["left"].__setitem__(0, 1 << 30),
    "a right child beyond": lambda t: t.nodes["right"].__setitem__(0, 1 << 30),
    "a node that is its own child": lambda t: t.nodes["left"].__setitem__(0, 0),
    "a column beyond": lambda t: t.nodes["feature_idx"].__setitem__(0, FAR),
    "a column before": lambda t: t.nodes["feature_idx"].__setitem__(0, -1),
    "categories of a column of numbers": _by_category,
    "nodes cut short": _cut,
    "sets of other columns": _of_other_columns,
}


@pytest.mark.parametrize("attack", PREDICTORS)
def test_boosting_on_histograms_is_refused_with(attack, path):
    skops.io.dump(_predictor_with(PREDICTORS[attack]), path)

    refusal(path)


def _encoder(**attributes):
    encoder = OneHotEncoder(min_frequency=3, sparse_output=False).fit([["a"]] * 4 + [["b"], ["c"]])
    for name, value in attributes.items():
        setattr(encoder, name, value)
    return encoder


def _vocabulary(kind, **vocabulary):
    vectorizer = kind().fit([{"a": 1}] if kind is DictVectorizer else ["aa bb"])
    vectorizer.vocabulary_ = vocabulary
    return vectorizer


TRANSFORMERS = {
    "fewer columns than categories": lambda: _encoder(_n_features_outs=[1]),
    "more categories than columns": lambda: _encoder(
        categories_=[np.array([*"abcdefgh"], dtype=object)]
    ),
    "a rare category beyond the columns": lambda: _encoder(
        _default_to_infrequent_mappings=[np.array([0, 1, FAR])]
    ),
    "a category before the columns": lambda: _encoder(
        _default_to_infrequent_mappings=[np.array([0, -FAR, 1])]
    ),
    "rare categories of no column": lambda: _encoder(_default_to_infrequent_mappings=[None]),
    "a dropped category that there is not": lambda: _encoder(
        _drop_idx_after_grouping=np.array([7], dtype=object), _n_features_outs=[1]
    ),
    "categories of more features": lambda: _encoder(n_features_in_=7),
    "a word beyond the columns": lambda: _vocabulary(CountVectorizer, aa=0, bb=10**9),
    "two words of one column": lambda: _vocabulary(CountVectorizer, aa=0, bb=0),
    "a column that is no whole number": lambda: _vocabulary(CountVectorizer, aa=0.5),
    "a key beyond the columns": lambda: _vocabulary(DictVectorizer, a=10**9),
    "centres of fewer columns": lambda: _changed(KMeans(2), cluster_centers_=np.ones((2, 1))),
    "neighbours of fewer columns": lambda: _changed(
        KNeighborsClassifier(algorithm="brute"), _fit_X=np.ones((len(X), 1))
    ),
    "support vectors in another form": lambda: _changed(SVC(), _sparse=True),
}


@pytest.mark.parametrize("attack", TRANSFORMERS)
def test_a_fitted_part_is_refused_with(attack, path):
    skops.io.dump(TRANSFORMERS[attack](), path)

    refusal(path)


def _array_of(shape):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()


def _first_array(forged):
    return next(iter(forged.members))


def _claim(forged):
    forged.members[_first_array(forged)] = _array_of((1 << 40,))


def _claim_nothing(forged):
    forged.members[_first_array(forged)] = _array_of((1 << 40, 0, 1 << 40)).replace(b"f8", b"V0")


def _claim_under_another_name(forged):
    forged.members["harmless.bin"] = _array_of((1 << 40,))


def _lead_out(forged):
    forged.members["../../canary"] = b"x"


def _lead_out_absolutely(forged):
    forged.members["/canary"] = b"x"


def _nest(forged):
    forged.schema["deeper"] = DEEP


def _refer(forged):
    forged.schema["content"]["content"]["extra"] = {
        **forged.schema["content"]["content"]["max_depth"],
        "__id__": forged.schema["content"]["content"]["criterion"]["__id__"],
    }


def _refer_to_itself(forged):
    forged.schema["content"]["content"]["extra"] = {**forged.schema, "content": {}}


def _cache(forged):
    node = forged.schema["content"]["content"]["max_depth"]
    forged.schema["content"]["content"]["extra"] = {**node, "__loader__": "CachedNode"}


def _without_schema(forged):
    forged.schema = []


ARCHIVES = {
    "an array that claims terabytes": _claim,
    "an array that claims terabytes of nothing": _claim_nothing,
    "an array that claims terabytes under another name": _claim_under_another_name,
    "a member that leads out": _lead_out,
    "a member at an absolute path": _lead_out_absolutely,
    "a schema nested without end": _nest,
    "two objects with one id": _refer,
    "an object that holds itself": _refer_to_itself,
    "a reference": _cache,
    "an empty schema": _without_schema,
}


@pytest.mark.parametrize("attack", ARCHIVES)
def test_an_archive_is_refused_with(attack, path):
    forged = Forged(DecisionTreeClassifier(max_depth=3).fit(X, Y))
    ARCHIVES[attack](forged)

    refusal(forged.write(path))


def test_an_archive_is_refused_that_packs_gigabytes_of_zeros(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.npy", bytes(64 * limits.MIB))
        archive.writestr("schema.json", "{}")

    assert "packed" in refusal(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_is_refused_that_has_a_name_twice(path):
    with zipfile.ZipFile(path, "w") as archive:
        for text in ("{}", "[]"):
            archive.writestr("schema.json", text)

    assert "2 members" in refusal(path)


@pytest.mark.parametrize(
    ("limit", "value", "says"),
    [("ARCHIVE_MEMBERS", 2, "members"), ("ARCHIVE_BYTES", 100, "unpacked"),
     ("SCHEMA_BYTES", 100, "schema")],
)  # fmt: skip
def test_an_archive_is_refused_beyond_the_limit_of_its(limit, value, says, path, monkeypatch):
    monkeypatch.setattr(limits, limit, value)
    skops.io.dump(DecisionTreeClassifier().fit(X, Y), path)

    assert says in refusal(path)


CLASSES = [
    name
    for module in (encoders, linear, neighbors, trees)
    for constant in vars(module).values()
    for name in (constant if isinstance(constant, tuple) else [constant])
    if str(name).startswith("sklearn.") and str(name).rpartition(".")[2].strip("_")[0].isupper()
]


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_that_is_checked_is_one_of_scikit_learn(name):
    module, _, class_name = name.rpartition(".")

    assert isinstance(getattr(importlib.import_module(module), class_name), type)


def test_many_classes_are_checked():
    assert len(CLASSES) > 10


HONEST = {
    "a tree": DecisionTreeClassifier(),
    "a tree of one leaf": DecisionTreeClassifier(min_samples_leaf=100),
    "a regression tree": DecisionTreeRegressor(),
    "a forest": RandomForestClassifier(5),
    "extremely random trees": ExtraTreesClassifier(5),
    "boosting": GradientBoostingClassifier(n_estimators=3),
    "an isolation forest": IsolationForest(n_estimators=3),
    "support vectors": SVC(),
    "neighbours": KNeighborsClassifier(algorithm="brute"),
    "neighbours by k-d tree": KNeighborsClassifier(algorithm="kd_tree", leaf_size=5),
    "neighbours by ball tree": KNeighborsClassifier(algorithm="ball_tree", leaf_size=1),
    "outliers by their neighbours": LocalOutlierFactor(novelty=True),
    "boosting on histograms": HistGradientBoostingClassifier(max_iter=3),
    "boosting of a number on histograms": HistGradientBoostingRegressor(max_iter=3),
    "clusters": KMeans(3),
    "support vectors of categories": make_pipeline(
        OneHotEncoder(handle_unknown="ignore", min_frequency=4, drop="first"), SVC()
    ),
    "our pipeline of a line": make_pipeline(
        StandardScaler(), SimpleImputer(), LogisticRegression(max_iter=1000)
    ),
    "our pipeline of a tree": make_pipeline(SimpleImputer(), DecisionTreeClassifier()),
}


@pytest.mark.parametrize("kind", HONEST)
def test_an_honest_model_is_loaded(kind, path):
    fitted = HONEST[kind].fit(X, Y)
    skops.io.dump(fitted, path)

    loaded = model_store.load_file(path)

    np.testing.assert_array_equal(loaded.predict(X), fitted.predict(X))


def test_a_tree_of_many_classes_and_outputs_is_loaded(path):
    fitted = DecisionTreeClassifier().fit(X, np.c_[Y, Y % 2])
    skops.io.dump(fitted, path)

    np.testing.assert_array_equal(model_store.load_file(path).predict(X), fitted.predict(X))


def test_a_model_that_cannot_predict_ends_in_one_line():
    model = LogisticRegression(max_iter=1000).fit(X, Y)
    del model.intercept_

    with pytest.raises(ModelError, match="cannot"):
        model_store.predict(model, X)
