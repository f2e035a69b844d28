"""The version that was the champion before is the champion again, by one command."""

from dataclasses import replace

import pytest
from registered import NAME, file_of

from reprise.errors import PromotionError
from reprise.verification import history, promotion
from reprise.verification.policy import Policy


@pytest.fixture
def twice(candidate, promote):
    candidate(0.5)
    promote(why="the first")
    trained = candidate(0.75)
    promote(why="better")
    return trained


@pytest.fixture
def roll_back(verifier):
    def roll_back(by=None):
        return promotion.roll_back(by or verifier, NAME, who="Ada", why="false alarms")

    return roll_back


def test_the_champion_before_is_the_champion_again(twice, roll_back, champion):
    assert (roll_back().version, int(champion())) == (1, 1)


def test_before_the_first_there_was_none(twice, roll_back, champion):
    roll_back()

    with pytest.raises(PromotionError, match="before which there was none"):
        roll_back()

    assert int(champion()) == 1


def test_a_version_that_was_rolled_back_can_be_promoted_again(twice, roll_back, promote, champion):
    roll_back()
    promote(f"{NAME}/2")

    assert int(champion()) == 2
    roll_back()
    assert int(champion()) == 1


def test_without_promotions_there_is_nothing_to_roll_back(candidate, roll_back):
    candidate(0.5)

    with pytest.raises(PromotionError, match="found no champion"):
        roll_back()


def test_files_that_have_changed_since_are_refused(store, twice, roll_back, champion):
    first = store.client.get_model_version(NAME, "1").run_id
    file_of(store, first).write_text("another model")

    with pytest.raises(PromotionError, match="expected the files of version 1 of iris"):
        roll_back()

    assert int(champion()) == 2


def test_a_list_that_was_altered_is_refused(store, twice, roll_back, champion):
    tags = store.client.get_registered_model(NAME).tags
    altered = tags["reprise.promotion.0001"].replace('"version": 1', '"version": 9')
    store.client.set_registered_model_tag(NAME, "reprise.promotion.0001", altered)

    with pytest.raises(PromotionError, match="entry 2 does not follow upon the one before"):
        roll_back()

    assert int(champion()) == 2


def test_an_entry_without_a_signature_is_refused_where_one_is_demanded(
    store, twice, roll_back, verifier, champion
):
    forged = history.Entry(
        number=3,
        action="promoted",
        model=NAME,
        version=2,
        before=1,
        who="Eve",
        when=history.now(),
        why="",
    )
    eve = replace(verifier.signing, key="")
    entries = history.read(NAME, verifier.signing.signers)
    history.append(entries, forged, eve)

    with pytest.raises(PromotionError, match="entry 3 is unsigned"):
        roll_back(replace(verifier, policy=Policy(require_signature=True)))

    assert int(champion()) == 2
