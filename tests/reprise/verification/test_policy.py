"""The verifier's policy is read from reprise.toml, and a wrong one is refused in one line."""

from datetime import timedelta

import pytest

from reprise.errors import ParameterError
from reprise.record.verdict import Difference
from reprise.verification import policy
from reprise.verification.policy import Allowed, Equivalent, Policy


@pytest.fixture
def read(tmp_path):
    def read(text):
        (tmp_path / "reprise.toml").write_text(text, encoding="utf-8")
        return policy.read(tmp_path)

    return read


def test_without_a_file_an_identical_replay_made_now_is_demanded(tmp_path):
    assert policy.read(tmp_path) == Policy(verdict="identical", max_age=timedelta())


def test_a_file_without_the_table_demands_the_same(read):
    assert read("[other]\nkey = 1\n") == Policy()


def test_every_key_is_read(read):
    found = read(
        """
        [verify]
        verdict = {equivalent = true, tolerance = 1e-9, metrics = {log_loss = 1e-6}}
        max_age = "30d"
        clean = true
        environment = "lock"
        require_signature = true
        allow = [
            {metric = "fit_seconds", reason = "measures time"},
            {artifact = "plots/*.png", reason = "drawn by another library"},
        ]
        """
    )

    assert found == Policy(
        verdict=Equivalent(equivalent=True, tolerance=1e-9, metrics={"log_loss": 1e-6}),
        max_age=timedelta(days=30),
        clean=True,
        environment="lock",
        require_signature=True,
        allow=(
            Allowed(metric="fit_seconds", reason="measures time"),
            Allowed(artifact="plots/*.png", reason="drawn by another library"),
        ),
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('verdict = "nearly"', "verify.verdict = 'nearly', instead of: \"identical\", or {equiv"),
        ("verdict = {equivalent = true}", "no verify.verdict.tolerance"),
        ("verdict = {equivalent = false, tolerance = 1}", "verify.verdict.equivalent = False"),
        ("verdict = {equivalent = true, tolerance = -1}", "verify.verdict.tolerance = -1"),
        ("verdict = {equivalent = true, tolerance = nan}", "verify.verdict.tolerance = nan"),
        ('max_age = "30"', 'verify.max_age = \'30\', instead of: a time such as "12h" or "30d"'),
        ("max_age = 30", "verify.max_age = 30"),
        ('clean = "perhaps"', "verify.clean = 'perhaps'"),
        ('environment = "any of them"', "verify.environment = 'any of them'"),
        ("allowed = []", "verify.allowed, which is no key"),
        ('allow = [{metric = "x"}]', "no verify.allow.0.reason"),
        ('allow = [{metric = "x", reason = " "}]', "verify.allow.0.reason = ' '"),
        ('allow = [{reason = "none"}]', "instead of: either metric or artifact"),
        ('allow = [{metric="x", artifact="y", reason="z"}]', "instead of: either metric or"),
        ("verify = 1", "verify.verify, which is no key"),
    ],
)
def test_a_wrong_policy_is_refused_by_its_place(read, line, problem):
    with pytest.raises(ParameterError) as refused:
        read(f"[verify]\n{line}\n")

    text = str(refused.value)
    assert text.startswith("expected a policy in reprise.toml, found: ")
    assert problem in text
    assert "\n" not in text


@pytest.mark.parametrize("text", ["[verify", "verify = 1", "\0", "[verify]\nclean = true\nclean=1"])
def test_what_is_no_table_is_refused_in_one_line(read, text):
    with pytest.raises(ParameterError, match=r"in reprise\.toml, found: "):
        read(text)


def test_a_file_that_is_named_must_exist(tmp_path):
    with pytest.raises(ParameterError, match="found no file"):
        policy.read(tmp_path, str(tmp_path / "strict.toml"))


def test_a_file_that_is_named_comes_first(read, tmp_path):
    (tmp_path / "strict.toml").write_text("[verify]\nclean = true\n")
    read("[verify]\nclean = false\n")

    assert policy.read(tmp_path, str(tmp_path / "strict.toml")).clean


@pytest.mark.parametrize(
    ("allowed", "difference", "covered"),
    [
        ({"metric": "seconds"}, ("metric", "seconds"), True),
        ({"metric": "seconds"}, ("history", "seconds"), True),
        ({"metric": "sec*"}, ("metric", "seconds"), True),
        ({"metric": "SECONDS"}, ("metric", "seconds"), False),
        ({"metric": "seconds"}, ("artifact", "seconds"), False),
        ({"artifact": "plots/*"}, ("artifact", "plots/a.png"), True),
        ({"artifact": "plots/*"}, ("metric", "plots/a.png"), False),
        ({"artifact": "*"}, ("model", "fitted arrays"), False),
        ({"metric": "*"}, ("predictions", "labels"), False),
    ],
)
def test_only_metrics_and_artifacts_of_the_name_are_left_out(allowed, difference, covered):
    kind, name = difference
    one = Difference(kind=kind, name=name, recorded=1.0, found=2.0)

    assert Allowed(**allowed, reason="a reason").covers(one) is covered


def test_policies_that_demand_the_same_have_the_same_digest(read):
    assert read('[verify]\nmax_age = "1d"').sha256 == read('[verify]\nmax_age = "24h"').sha256
    assert read("[verify]\nclean = true").sha256 != Policy().sha256


def test_an_exact_policy_leaves_nothing_out(read):
    lax = read(
        "[verify]\nclean = true\nverdict = {equivalent = true, tolerance = 1}\n"
        'allow = [{metric = "*", reason = "lazy"}]'
    )

    assert lax.exact() == Policy(clean=True)
