"""An address names a repository, or is refused; no secret of it is recorded."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprise.errors import CheckoutError
from reprise.urls import RepositoryUrl, same_repository, without_credentials, without_login

_NAMES = st.text("abcdefgh.-", min_size=1).filter(lambda name: not name.endswith(".git"))
_WORDS = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
# Text that git reads as an option, a program or two lines, inside text of any kind.
_HOSTILE = st.sampled_from(["-", "--upload-pack=", "ext::", "fd::", "::", "\n", "\0", "%0a", "%2d"])
_ANY = st.lists(st.one_of(_HOSTILE, _WORDS, st.text(max_size=3), st.sampled_from("/@:.~"))).map(
    "".join
)


class TestParse:
    @pytest.mark.parametrize(
        ("text", "scheme", "host", "port"),
        [
            ("https://example.org/team/a.git", "https", "example.org", "443"),
            ("HTTPS://Example.org:8443/a", "https", "example.org", "8443"),
            ("http://user:t0ken@[::1]:80/a.git", "http", "[::1]", "80"),
            ("ssh://git@example.org:2222/a.git", "ssh", "example.org", "2222"),
            ("git://example.org/a", "git", "example.org", "9418"),
            ("git@example.org:team/a.git", "ssh", "example.org", ""),
            ("example.org:team/a.git", "ssh", "example.org", ""),
            ("file:///srv/git/a.git", "file", "", ""),
            ("/srv/git/a.git", "file", "", ""),
            ("../sibling", "file", "", ""),
            ("./-named", "file", "", ""),
            ("name with spaces", "file", "", ""),
            ("/srv/a:b", "file", "", ""),
        ],
    )
    def test_takes_every_usual_way_to_name_a_repository(self, text, scheme, host, port):
        url = RepositoryUrl.parse(text)

        assert (url.text, url.scheme, url.host, url.port) == (text, scheme, host, port)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            "-x",
            "--upload-pack=touch ran",
            "ext::sh -c touch% ran",
            "fd::17",
            "EXT::sh",
            "foo.bar+baz::x",
            "::x",
            "ftp://example.org/a",
            "ext://example.org/a",
            "git+ssh://example.org/a",
            "ssh://-oProxyCommand=x/a",
            "ssh://-oProxyCommand=x@example.org/a",
            "ssh://%2doProxyCommand=x/a",
            "ssh://%2doProxyCommand=x@example.org/a",
            "-oProxyCommand=x:a",
            "git@-oProxyCommand=x:a",
            "example.org:-oProxyCommand=x",
            "https:///a",
            "https://exa mple.org/a",
            "https://example.org:port/a",
            "https://example.org/a\nhost=other",
            "https://example.org/a%0ahost=other",
            "git://example.org/a%0d%0aHost:other",
            "https://user%0a@example.org/a",
            "/srv/a\0b",
            "/srv/a\x1b[2J",
            "/srv/a\x9b2J",
            "file://example.org/a",
        ],
    )
    def test_refuses_options_programs_and_more_than_one_line(self, text):
        with pytest.raises(CheckoutError, match="expected a repository's URL") as refused:
            RepositoryUrl.parse(text)

        assert "\n" not in str(refused.value)

    def test_a_refusal_does_not_show_an_address_that_may_hold_a_password(self):
        with pytest.raises(CheckoutError) as refused:
            RepositoryUrl.parse("ftp://ada:s3cret@example.org/a")

        assert "s3cret" not in str(refused.value)

    @given(text=_ANY)
    def test_whatever_is_taken_is_no_option_no_program_and_one_line(self, text):
        try:
            url = RepositoryUrl.parse(text)
        except CheckoutError:
            return

        assert not url.text.startswith("-")
        assert not url.host.startswith("-")
        assert "::" not in url.text.partition("/")[0].partition("@")[0].partition("[")[0]
        assert url.text.isprintable() or not any(ord(c) < 32 for c in url.text)
        assert url.scheme in ("file", "git", "http", "https", "ssh")

    @given(host=_WORDS, path=_WORDS, user=_WORDS)
    def test_honest_addresses_of_every_form_are_taken(self, host, path, user):
        for text in (
            f"https://{host}/{path}",
            f"ssh://{user}@{host}:22/{path}",
            f"{user}@{host}:{path}",
            f"file:///{path}",
            f"/{path}",
            f"../{path}",
        ):
            assert RepositoryUrl.parse(text).text == text


class TestServers:
    @pytest.mark.parametrize(
        ("a", "b"),
        [
            ("https://example.org/lib", "https://example.org/a"),
            ("git@example.org:lib.git", "https://example.org:8443/a"),
            ("https://example.org/lib", "ssh://git@example.org:2222/a"),
            ("git://127.0.0.1:5000/lib", "git://127.0.0.1:5000/a"),
        ],
    )
    def test_are_the_same_whatever_the_protocol(self, a, b):
        assert RepositoryUrl.parse(a).is_at_server_of(RepositoryUrl.parse(b))

    @pytest.mark.parametrize(
        ("a", "b"),
        [
            ("https://example.com/lib", "https://example.org/a"),
            ("https://example.org@example.com/lib", "https://example.org/a"),
            ("git://127.0.0.1:5001/lib", "git://127.0.0.1:5000/a"),
            ("http://example.org:8000/lib", "https://example.org/a"),
            ("/srv/lib", "/srv/a"),
            ("/srv/lib", "https://example.org/a"),
        ],
    )
    def test_are_another_by_host_or_port_and_this_machine_is_none(self, a, b):
        assert not RepositoryUrl.parse(a).is_at_server_of(RepositoryUrl.parse(b))


class TestJoined:
    @pytest.mark.parametrize(
        ("base", "relative", "whole"),
        [
            ("https://example.org/team/a.git", "../lib.git", "https://example.org/team/lib.git"),
            ("https://example.org/team/a.git/", "./lib", "https://example.org/team/a.git/lib"),
            ("git@example.org:team/a.git", "../lib", "git@example.org:team/lib"),
            ("git@example.org:a.git", "../lib", "git@example.org:lib"),
            ("https://example.org", "./lib", "https://example.org/lib"),
            ("/srv/git/a.git", "../lib", "/srv/git/lib"),
            ("file:///srv/a", "../lib", "file:///srv/lib"),
            ("https://example.org/a", "https://example.com/lib", "https://example.com/lib"),
        ],
    )
    def test_is_what_git_makes_of_it(self, base, relative, whole):
        assert RepositoryUrl.parse(base).joined(relative).text == whole

    @pytest.mark.parametrize("relative", ["../../../lib", "../../../../example.com/lib", "--x"])
    def test_leads_nowhere_else(self, relative):
        with pytest.raises(CheckoutError):
            RepositoryUrl.parse("https://example.org/team/a.git").joined(relative)

    @given(steps=st.lists(st.sampled_from(["..", ".", "x", ""]), max_size=6))
    def test_never_changes_the_host(self, steps):
        base = RepositoryUrl.parse("https://example.org/team/a.git")
        try:
            joined = base.joined("../" + "/".join(steps))
        except CheckoutError:
            return

        assert joined.host == base.host


@pytest.mark.parametrize(
    ("text", "whole"),
    [("../b", "/srv/b"), ("b", "/srv/a/b"), ("/x", "/x"), ("https://h/x", "https://h/x")],
)
def test_a_relative_path_means_the_same_from_anywhere(text, whole):
    assert RepositoryUrl.parse(text).absolute(Path("/srv/a")).text == whole


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://ada:s3/cr@t@host:5000/x", "http://host:5000/x"),
        ("http://host:5000", "http://host:5000"),
        ("sqlite:////srv/mlflow.db", "sqlite:////srv/mlflow.db"),
        ("mlruns", "mlruns"),
    ],
)
def test_a_servers_address_is_shown_without_its_login(uri, shown):
    assert without_login(uri) == shown


class TestSameRepository:
    @pytest.mark.parametrize(
        ("a", "b"),
        [
            ("git@example.org:team/a.git", "https://example.org/team/a"),
            ("ssh://git@example.org:2222/team/a.git", "https://example.org/team/a.git"),
            ("https://user:t0ken@example.org/team/a.git", "https://example.org/team/a.git/"),
            ("https://example.org:8443/a.git", "http://EXAMPLE.org/a"),
            ("git://example.org:9418/a", "git://example.org:9418/a.git"),
            ("file:///srv/git/a.git", "/srv/git/a"),
        ],
    )
    def test_whatever_the_protocol_and_the_login(self, a, b):
        assert same_repository(a, b)

    @pytest.mark.parametrize(
        ("a", "b"),
        [
            ("https://example.org/team/a.git", "https://example.com/team/a.git"),
            ("https://example.org/team/a.git", "https://example.org/other/a.git"),
            ("https://example.org/a.git", "https://example.org/A.git"),
            ("https://example.org/a.git", "file:///example.org/a.git"),
            ("https://example.org/a@example.com/b", "https://example.com/b"),
            ("https://example.org/team/a.git", "https://example.org@elsewhere.org/team/a.git"),
            ("git@example.org:a.git", "/example.org/a.git"),
            ("git://example.org:9418/a", "git://example.org:1/a"),
        ],
    )
    def test_not_another_host_path_or_machine(self, a, b):
        assert not same_repository(a, b)

    @given(host=_NAMES, path=_NAMES)
    def test_every_way_to_write_one_agrees(self, host, path):
        ways = [
            f"https://{host}/{path}.git",
            f"https://user:pass@{host}/{path}/",
            f"ssh://git@{host}/{path}",
            f"git@{host}:{path}.git",
        ]

        assert all(same_repository(a, b) for a in ways for b in ways)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://user:t0ken@example.org/a/b.git", "https://example.org/a/b.git"),
        ("https://t0ken@example.org/a/b.git", "https://example.org/a/b.git"),
        ("https://user:t0ken@example.org:8443/a.git", "https://example.org:8443/a.git"),
        ("https://user:t0@ken@example.org/a.git", "https://example.org/a.git"),
        ("https://user:t0[ken@example.org/a.git", "https://example.org/a.git"),
        ("https://user:t0#ken@example.org/a.git", "https://example.org/a.git"),
        ("http://user:t0ken@[::1]:8080/a.git", "http://[::1]:8080/a.git"),
        ("HTTPS://user:t0ken@example.org/a.git", "HTTPS://example.org/a.git"),
        ("https://example.org/@scope/a.git", "https://example.org/@scope/a.git"),
        ("https://example.org/a.git", "https://example.org/a.git"),
        ("ssh://git@example.org:2222/a.git", "ssh://git@example.org:2222/a.git"),
        ("ssh://git:t0ken@example.org/a.git", "ssh://example.org/a.git"),
        ("git@example.org:group/a.git", "git@example.org:group/a.git"),
        ("../relative@path", "../relative@path"),
        ("file:///srv/git/a.git", "file:///srv/git/a.git"),
    ],
)
def test_a_url_keeps_all_but_its_credentials(url, kept):
    assert without_credentials(url) == kept
