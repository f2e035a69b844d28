"""The commands promote and log: what they print, and how they end."""

from contextlib import nullcontext

import pytest

from reprise import tracking
from reprise.commands import promote, verify
from reprise.commands.parameters import LogParameters, PromoteParameters
from reprise.errors import ParameterError, PromotionError, TrackingError
from reprise.signatures import Signers
from reprise.verification import history, promotion
from reprise.verification.statements import Signing

NAME = "iris"


@pytest.fixture
def model(store):
    """A registered model without a champion."""
    store.client.create_registered_model(NAME)
    return NAME


@pytest.fixture
def write(store, model, signing):
    """Add an entry to the list, and make its version the champion."""

    def write(version, *, before=None, why="", key="ada", who="Ada"):
        entry = history.Entry(
            number=0,
            action="promoted",
            model=NAME,
            version=version,
            before=before,
            who=who,
            when=history.now(),
            why=why,
        )
        history.append(history.read(NAME, Signers()), entry, signing(key))

    return write


@pytest.fixture
def champion(monkeypatch):
    """Let a version be the champion."""

    def champion(version):
        found = tracking.RegisteredVersion(NAME, version, "0" * 32, "m-0")
        monkeypatch.setattr(tracking, "find_alias", lambda *_: found if version else None)

    return champion


@pytest.fixture
def shown(capsys, keys):
    """What `reprise log` prints."""

    def shown():
        capsys.readouterr()
        try:
            promote.show(LogParameters(model=NAME, allowed_signers=str(keys / "allowed")))
        finally:
            shown.text = capsys.readouterr().out
        return shown.text

    return shown


def test_the_list_is_printed_with_who_when_and_why(write, champion, shown):
    write(1)
    write(2, before=1, why="fewer false alarms", key="")
    champion(2)

    lines = shown().splitlines()

    assert lines[0] == "iris: version 2 is champion"
    assert lines[1].endswith("UTC  promoted version 2 (before: 1) by Ada, unsigned")
    assert lines[2] == "      why: fewer false alarms"
    assert lines[3].endswith("UTC  promoted version 1 by Ada, signed by ada@example.org")


def test_a_model_without_promotions_is_shown(model, champion, shown):
    champion(None)

    assert shown() == "iris: there is no champion\n"


def test_a_hostile_entry_stays_in_its_line(write, champion, shown):
    write(1, who="Eve\x1b[2K\n   1  forged", why="\u202e\n2")
    champion(1)

    assert shown().count("\n") == 3
    assert "\x1b" not in shown.text


@pytest.mark.parametrize(
    ("tag", "change", "reason"),
    [
        ("0001", lambda text: text.replace('"Ada"', '"Eve"'), "entry 2 does not follow"),
        ("0002", lambda _: None, "entry 3 does not follow"),
        ("0002", lambda text: text.replace('"number": 2', '"number": 7'), "is entry 7 of iris"),
    ],
    ids=["altered", "removed", "copied"],
)
def test_an_altered_list_is_printed_and_refused(store, write, champion, shown, tag, change, reason):
    for number in (1, 2, 3):
        write(number)
    champion(3)
    name = f"reprise.promotion.{tag}"
    text = change(store.client.get_registered_model(NAME).tags[name])
    if text is None:
        store.client.delete_registered_model_tag(NAME, name)
    else:
        store.client.set_registered_model_tag(NAME, name, text)

    with pytest.raises(PromotionError, match=reason):
        shown()

    assert "the list was altered" in shown.text or "was copied here" in shown.text


@pytest.mark.parametrize("text", ["", "{}", "[" * 100_000, '{"number": 1}', "no JSON"])
def test_what_is_no_entry_is_refused_in_one_line(store, model, champion, shown, text):
    store.client.set_registered_model_tag(NAME, "reprise.promotion.0001", text[:4000] or "0")

    with pytest.raises(PromotionError, match=r"expected an entry in the tag reprise\.promotion"):
        shown()


@pytest.mark.parametrize("tag", ["reprise.promotion.00001", "reprise.promotion.x", "other.0001"])
def test_other_tags_are_no_entries(store, model, champion, shown, tag):
    store.client.set_registered_model_tag(NAME, tag, "another text")
    champion(None)

    assert shown() == "iris: there is no champion\n"


def test_a_champion_that_the_list_does_not_have_is_refused(write, champion, shown):
    write(1)
    champion(2)

    with pytest.raises(PromotionError, match=r"found version 2\. Somebody has moved the alias"):
        shown()


def test_a_model_that_there_is_not_is_refused(store, shown):
    with pytest.raises(TrackingError, match="expected a registered model"):
        shown()


def test_a_signature_of_another_document_is_no_signature_of_an_entry(
    store, write, champion, shown, keys
):
    from reprise import signatures

    write(1, key="")
    text = store.client.get_registered_model(NAME).tags["reprise.promotion.0001"]
    other = signatures.sign(text.encode(), str(keys / "ada"), signatures.STATEMENT)
    tag = "reprise.promotion_signature.0001"
    store.client.set_registered_model_tag(NAME, tag, other.decode())
    champion(1)

    assert ", not trusted: " in shown()


def test_two_that_promote_at_once_do_not_overwrite_each_other(write, model, signing):
    entries = history.read(NAME, Signers())
    write(1)

    with pytest.raises(PromotionError, match="somebody has added one meanwhile"):
        history.append(
            entries,
            history.Entry(
                number=0,
                action="promoted",
                model=NAME,
                version=2,
                before=None,
                who="Ada",
                when=history.now(),
                why="",
            ),
            Signing(),
        )


class TestPromote:
    @pytest.fixture
    def asked(self, store, recording, monkeypatch, tmp_path, plain_git):
        """Run the command, and return what it has asked for."""
        monkeypatch.setattr(verify, "Launcher", lambda *_, **__: nullcontext())
        monkeypatch.chdir(tmp_path)
        entry = history.Entry(
            number=1,
            action="promoted",
            model=NAME,
            version=2,
            before=1,
            who="Ada",
            when=history.now(),
            why="",
        )

        def asked(**given):
            calls = []
            for name in ("promote", "roll_back"):

                def call(_, address, *, who, why, name=name):
                    calls.append((name, address, who, why))
                    return entry

                monkeypatch.setattr(promotion, name, call)
            parameters = PromoteParameters.parse(given)
            with recording(parameters) as run:
                promote.main(parameters, run)
            return calls

        return asked

    def test_who_and_why_are_written_down(self, asked, capsys):
        assert asked(model=NAME, message="better") == [
            ("promote", NAME, "A Person <person@example.org>", "better")
        ]
        assert "Version 2 is the champion of iris now; it was version 1." in (
            capsys.readouterr().out
        )

    def test_a_rollback_is_one_command(self, asked):
        assert asked(model=NAME, rollback="true")[0][:2] == ("roll_back", NAME)

    def test_a_reason_may_not_be_endless(self):
        with pytest.raises(ParameterError, match="at most 1000 characters"):
            PromoteParameters.parse({"model": NAME, "message": "x" * 1001})

    def test_what_there_is_not_is_refused_before_there_is_a_run(self, store):
        for given in ({"model": "none"}, {"model": "none", "rollback": "true"}):
            with pytest.raises(TrackingError):
                promote.check(PromoteParameters.parse(given))

        assert store.runs() == []
