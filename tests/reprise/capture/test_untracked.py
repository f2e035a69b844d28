"""What must not travel with a run by accident is named; what may, passes."""

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprise.capture.untracked import LARGEST_BYTES, names, objections

BY_NAME = "looks like a secret, by its name"
BY_TEXT = "looks like a secret, by what is in it"
# Put together here, so that no scanner of secrets takes this file for one.
TOKENS = {
    "a private key": "-----BEGIN " + "PRIVATE KEY-----",
    "an RSA key": "-----BEGIN " + "RSA PRIVATE KEY-----",
    "an OpenSSH key": "-----BEGIN " + "OPENSSH PRIVATE KEY-----",
    "an encrypted key": "-----BEGIN " + "ENCRYPTED PRIVATE KEY-----",
    "a PGP key": "-----BEGIN " + "PGP PRIVATE KEY BLOCK-----",
    "AWS": "key = AKIA" + "ABCDEFGHIJKLMNOP",
    "AWS for a while": "ASIA" + "ABCDEFGHIJKLMNOP",
    "GitHub": "ghp_" + "a1" * 18,
    "GitHub, fine-grained": "github_pat_" + "a1" * 25,
    "GitLab": "glpat-" + "a-" * 10,
    "Slack": "xoxb-" + "1234567890-abc",
    "Google": "AIza" + "b" * 35,
    "PyPI": "pypi-AgE" + "c" * 60,
}


@pytest.fixture
def objects_to(tmp_path):
    """What is said of one untracked file."""

    def objects_to(name, content=b"x = 1\n", allowed=()):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return [what for _, what in objections(tmp_path, [name], allowed)]

    return objects_to


@pytest.mark.parametrize("name", ["model.py", "notes.md", "a b.csv", "ümläut.txt", "envelope.py"])
def test_an_ordinary_file_passes(objects_to, name):
    assert objects_to(name) == []


def test_an_empty_file_passes(objects_to):
    assert objects_to("empty.txt", b"") == []


@pytest.mark.parametrize(
    "name",
    [
        *(".env", ".env.local", "prod.env", ".ENV", "deep/er/.env", ".netrc", "id_rsa"),
        *("id_ed25519_work", "server.pem", "tls.key", "credentials", "credentials.json"),
        *("gcp-credentials.json", "client_secret_1.json", "secrets.yaml", "kubeconfig"),
        *("prod.tfvars", "my-service-account-1.json", "token.json", ".pypirc", ".npmrc"),
    ],
)
def test_the_name_of_a_secret_is_objected_to(objects_to, name):
    assert objects_to(name) == [BY_NAME]


@pytest.mark.parametrize("name", [".env.example", "secrets.yaml.template", "id_rsa.pub"])
def test_an_example_of_a_secret_and_a_public_key_pass(objects_to, name):
    assert objects_to(name) == []


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
def test_a_secret_within_a_file_of_any_name_is_objected_to(objects_to, token):
    content = b"\x00\xff binary \n" + token.encode() + b"\nmore"

    assert objects_to("notes.txt", content) == [BY_TEXT]


def test_an_example_with_a_real_secret_in_it_is_objected_to(objects_to):
    assert objects_to(".env.example", TOKENS["GitHub"].encode()) == [BY_TEXT]


@pytest.mark.parametrize("text", ["-----BEGIN PUBLIC KEY-----", "ghp_short", "AKIA", "pypi-AgE"])
def test_what_only_begins_like_a_secret_passes(objects_to, text):
    assert objects_to("notes.txt", text.encode()) == []


def test_the_largest_file_that_may_travel_passes_and_one_more_byte_does_not(tmp_path):
    for name, size in (("fits.bin", LARGEST_BYTES), ("large.bin", LARGEST_BYTES + 1)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)

    found = objections(tmp_path, ["fits.bin", "large.bin"])

    assert found == [("large.bin", "is large (10 MiB)")]


def test_every_file_that_is_objected_to_is_named_in_order(tmp_path):
    for name in ("b.pem", "a.py", "c.key"):
        (tmp_path / name).touch()

    assert objections(tmp_path, ["b.pem", "a.py", "c.key"]) == [
        ("b.pem", BY_NAME),
        ("c.key", BY_NAME),
    ]


def test_a_link_is_no_secret_as_only_where_it_leads_is_carried(tmp_path):
    (tmp_path / "elsewhere").write_text(TOKENS["AWS"])
    (tmp_path / "id_rsa").symlink_to("elsewhere")

    assert objections(tmp_path, ["id_rsa"]) == []


def test_a_file_that_is_gone_meanwhile_passes(tmp_path):
    assert objections(tmp_path, ["gone.pem"]) == []


@pytest.mark.parametrize(
    "allowed",
    [["conf/a.pem"], ["*.pem"], ["conf/*"], ["true"], ["other", "conf/?.pem"]],
    ids=["by name", "by ending", "by folder", "all", "one of several"],
)
def test_what_is_allowed_passes(objects_to, allowed):
    assert objects_to("conf/a.pem", allowed=allowed) == []


@pytest.mark.parametrize(
    "allowed",
    [[], [""], ["a.pem"], ["CONF/A.PEM"], ["false"], ["other.pem"]],
    ids=["nothing", "empty", "its last name only", "upper case", "false", "another"],
)
def test_what_is_not_allowed_does_not_pass(objects_to, allowed):
    assert objects_to("conf/a.pem", allowed=allowed) == [BY_NAME]


@given(name=st.text("ab[]*?!.-", min_size=1))
def test_any_name_that_is_told_can_be_allowed_as_it_is_told(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("any")
    (folder / f"{name}.pem").touch()

    (told, _), *_ = objections(folder, [f"{name}.pem"])

    assert objections(folder, [f"{name}.pem"], [told]) == []


@pytest.mark.parametrize("name", ["[prod].pem", "a[1-2].key"])
def test_a_name_that_would_be_a_pattern_of_something_else_is_allowed_by_itself(objects_to, name):
    assert not fnmatch.fnmatchcase(name, name)
    assert objects_to(name, allowed=[name]) == []


@pytest.mark.parametrize(
    "text", ["a.key,b.key", "a.key, b.key", " a.key ,\tb.key,", ",a.key,,b.key"]
)
def test_names_may_have_spaces_around_them(text):
    assert names(text) == ["a.key", "b.key"]


@pytest.mark.parametrize("text", ["", " ", ",", " , "])
def test_no_names_allow_no_file(text):
    assert names(text) == []


def test_a_name_may_have_spaces_in_it():
    assert names("my own.key, b.key") == ["my own.key", "b.key"]
