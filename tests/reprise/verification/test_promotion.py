"""A champion moves only where replays bear out its training and its score; tags say nothing."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from asking import AskingParameters
from mlflow.entities import LoggedModelOutput, LoggedModelStatus
from test_judging import FAR, compared, evidence

from reprise import tracking
from reprise.errors import ModelError, NotJudgedError, PromotionError, TrackingError
from reprise.models import registry
from reprise.models.evaluation import FILE_NAME, Evaluation
from reprise.record.verdict import Verdict
from reprise.replay import original_run
from reprise.replay.prepare import Request
from reprise.verification import history, model_files, promotion
from reprise.verification.evidence import record_digest
from reprise.verification.policy import Allowed, Equivalent, Policy
from reprise.verification.verifying import Verifier

NAME = "iris"
DIGEST = "d" * 64


@pytest.fixture
def train(store, recording):
    """Record a run that has trained a model with this digest, and stored a file of it."""

    def train(digest=DIGEST):
        with recording(AskingParameters()) as run:
            made = store.client.create_logged_model(
                store.experiment_id, name="model", source_run_id=run.run_id
            )
            store.client.finalize_logged_model(made.model_id, LoggedModelStatus.READY)
            store.client.log_outputs(run.run_id, [LoggedModelOutput(made.model_id, step=0)])
            run.log_model_digest(digest, is_logged=False)
        file_of(store, run.run_id).parent.mkdir(parents=True)
        file_of(store, run.run_id).write_text(digest)
        return run.run_id

    return train


@pytest.fixture
def judge(recording):
    """Record a run that has judged the model of a run."""

    def judge(trained, score, *, metric="accuracy", greater=True, test_digest="t1"):
        judged = Evaluation(
            run_id=trained,
            model=tracking.read_record(trained).outputs.model,
            metric=metric,
            score=score,
            greater_is_better=greater,
            test_digest=test_digest,
        )
        with recording(AskingParameters()) as run:
            judged.log(run)
        return run.run_id, judged

    return judge


@pytest.fixture
def candidate(train, judge):
    """Train, judge and register a model, whose version is then the candidate."""

    def candidate(score, *, digest=None, **how):
        trained = train(digest or f"{score!r:0<64}")
        evaluated_by, judged = judge(trained, score, **how)
        registry.register(NAME, judged, evaluated_by=evaluated_by)
        return trained

    return candidate


@pytest.fixture
def replays(monkeypatch):
    """What replays show, by the run: without an entry, the same results once more."""
    shown = {}

    def reproduced(_self, original):
        found = shown.get(original.run_id, (compared(),))
        logged = tracking.logged_model(original.run_id)
        return evidence(
            *found,
            run_id=original.run_id,
            record_sha256=record_digest(original),
            model_files=model_files.of_model(logged) if logged else {},
            replayed_by=None,
        )

    monkeypatch.setattr(Verifier, "_reproduced", reproduced)
    return shown


@pytest.fixture
def verifier(recording, signing, plain_git):
    """Who promotes: Ada, by the default policy."""
    with recording(AskingParameters()) as parent:
        yield Verifier(parent, Policy(), signing(), Request())


@pytest.fixture
def promote(verifier, replays):
    def promote(address=NAME, *, why="", by=None):
        return promotion.promote(by or verifier, address, who="Ada", why=why)

    return promote


@pytest.fixture
def champion(store):
    """The champion's version, or None."""

    def champion():
        return store.client.get_registered_model(NAME).aliases.get("champion")

    return champion


def file_of(store, run_id):
    model = store.client.get_logged_model(tracking.logged_model(run_id))
    return Path(model.artifact_location.removeprefix("file://")) / "model.skops"


class TestBetter:
    def test_a_registered_model_is_a_candidate_alone(self, candidate, champion):
        candidate(0.5)

        assert champion() is None

    def test_the_first_one_becomes_the_champion(self, candidate, promote, champion):
        candidate(0.5)

        assert promote().version == 1
        assert int(champion()) == 1

    def test_a_better_one_takes_over(self, candidate, promote, champion):
        candidate(0.5)
        promote()
        candidate(0.75)

        assert promote().before == 1
        assert int(champion()) == 2

    def test_one_that_is_not_better_does_not(self, candidate, promote, champion):
        candidate(0.5, digest="1" * 64)
        promote()
        candidate(0.5, digest="2" * 64)

        with pytest.raises(PromotionError, match=r"champion: accuracy 0\.5 against"):
            promote()

        assert int(champion()) == 1

    def test_the_champion_itself_is_refused(self, candidate, promote):
        candidate(0.5)
        promote()

        with pytest.raises(PromotionError, match="which is the champion already"):
            promote()

    def test_a_version_is_named_by_its_number(self, candidate, promote):
        candidate(0.5)

        assert promote(f"{NAME}/1").version == 1

    def test_what_there_is_not_is_refused_in_one_line(self, candidate, promote):
        candidate(0.5)

        for address in ("none", f"{NAME}/2", f"{NAME}@best", "a/b", ""):
            with pytest.raises(TrackingError, match=r"expected a (registered|version)"):
                promote(address)


class TestReplays:
    def test_a_training_that_differs_promotes_nothing(self, candidate, promote, champion, replays):
        replays[candidate(0.5)] = (compared(FAR),)

        with pytest.raises(PromotionError, match="an identical replay of the training of version"):
            promote()

        assert champion() is None

    def test_a_training_that_cannot_be_reproduced_promotes_nothing(
        self, candidate, promote, champion, replays
    ):
        lost = compared(verdict=Verdict.NOT_REPLAYABLE, reason="its commit is gone", basis="")
        replays[candidate(0.5)] = (lost,)

        with pytest.raises(NotJudgedError, match="its commit is gone"):
            promote()

        assert champion() is None

    def test_an_evaluation_that_differs_promotes_nothing(
        self, train, judge, promote, champion, replays
    ):
        evaluated_by, judged = judge(train(), 0.5)
        registry.register(NAME, judged, evaluated_by=evaluated_by)
        replays[evaluated_by] = (compared(FAR),)

        with pytest.raises(PromotionError, match="identical replay of the evaluation of version 1"):
            promote()

        assert champion() is None

    def test_a_policy_that_tolerates_is_not_enough(self, candidate, promote, verifier, replays):
        lax = Policy(
            verdict=Equivalent(equivalent=True, tolerance=1.0),
            allow=(Allowed(metric="*", reason="lazy"),),
        )
        replays[candidate(0.5)] = (compared(FAR),)

        with pytest.raises(PromotionError, match="differs in metric accuracy"):
            promote(by=replace(verifier, policy=lax))

    def test_what_else_the_policy_demands_is_demanded(self, candidate, promote, verifier):
        candidate(0.5)

        with pytest.raises(PromotionError, match="expected a signed statement"):
            promote(by=replace(verifier, policy=Policy(require_signature=True)))

    def test_the_champions_own_evaluation_must_be_borne_out(
        self, candidate, promote, champion, replays, store
    ):
        candidate(0.5)
        promote()
        tags = store.client.get_model_version(NAME, "1").tags
        replays[tags[tracking.EVALUATED_BY]] = (compared(FAR),)
        candidate(0.75)

        with pytest.raises(PromotionError, match="the evaluation of version 1"):
            promote()

        assert int(champion()) == 1


class TestForged:
    """A user who can write tags and artifacts of runs and versions tries to be the champion."""

    @pytest.fixture
    def worse(self, candidate, promote):
        candidate(0.5)
        promote()
        return candidate(0.25)

    @pytest.fixture(autouse=True)
    def _stays(self, champion):
        yield
        assert champion() in ("1", 1, None)

    def test_by_a_score_in_a_tag(self, store, worse, promote):
        for tag, value in (("reprise.score", "1.0"), ("reprise.metric", "accuracy")):
            store.client.set_model_version_tag(NAME, "2", tag, value)

        with pytest.raises(PromotionError, match=r"accuracy 0\.25 against its 0\.5"):
            promote()

    def test_by_the_evaluation_of_a_better_model(self, store, worse, promote, train, judge):
        other, _ = judge(train("e" * 64), 1.0)
        store.client.set_model_version_tag(NAME, "2", tracking.EVALUATED_BY, other)

        with pytest.raises(PromotionError, match="expected an evaluation of model"):
            promote()

    def test_by_an_altered_evaluation(self, store, worse, promote):
        run_id = store.client.get_model_version(NAME, "2").tags[tracking.EVALUATED_BY]
        path = store.artifacts(run_id) / FILE_NAME
        path.write_text(path.read_text().replace("0.25", "0.99"))

        with pytest.raises(ModelError, match="found another text"):
            promote()

    def test_by_an_evaluation_that_there_is_not(self, store, worse, promote):
        for value in ("", "no-id", "0" * 32, "' OR 1=1", "../../etc"):
            store.client.set_model_version_tag(NAME, "2", tracking.EVALUATED_BY, value)
            with pytest.raises((PromotionError, TrackingError)):
                promote()

    def test_by_other_files_of_the_version(self, store, worse, promote, train, judge):
        """The version's model is another one than its run's."""
        victim, model = train("f" * 64), tracking.logged_model(worse)
        store.client.create_model_version(
            NAME, source=f"models:/{model}", run_id=victim, model_id=model
        )

        with pytest.raises(PromotionError, match=r"found others: model\.skops"):
            promote(f"{NAME}/3")

    def test_by_a_version_that_was_made_from_a_place(self, store, worse, promote, tmp_path):
        store.client.create_model_version(NAME, source=str(tmp_path), run_id=worse)

        with pytest.raises(TrackingError, match="made from the logged model of a run"):
            promote(f"{NAME}/3")

    def test_by_verdict_tags_of_a_run_that_cannot_be_reproduced(
        self, store, candidate, verifier, tmp_path, monkeypatch
    ):
        """Nothing is faked here: the run's code is nowhere."""
        monkeypatch.chdir(tmp_path)
        trained = candidate(0.99)
        store.client.set_tag(trained, tracking.VERDICT, "identical")
        store.make_run(tags={tracking.REPLAY_OF: trained, tracking.VERDICT: "identical"})
        aged = replace(verifier, policy=Policy(max_age=timedelta(days=365)))

        with pytest.raises(NotJudgedError, match="could not be reproduced: expected a run of the"):
            promotion.promote(aged, NAME, who="Eve", why="")


class TestRollBack:
    @pytest.fixture
    def twice(self, candidate, promote):
        candidate(0.5)
        promote(why="the first")
        trained = candidate(0.75)
        promote(why="better")
        return trained

    @pytest.fixture
    def roll_back(self, verifier):
        def roll_back(by=None):
            return promotion.roll_back(by or verifier, NAME, who="Ada", why="false alarms")

        return roll_back

    def test_the_champion_before_is_the_champion_again(self, twice, roll_back, champion):
        assert (roll_back().version, int(champion())) == (1, 1)

    def test_before_the_first_there_was_none(self, twice, roll_back, champion):
        roll_back()

        with pytest.raises(PromotionError, match="before which there was none"):
            roll_back()

        assert int(champion()) == 1

    def test_a_version_that_was_rolled_back_can_be_promoted_again(
        self, twice, roll_back, promote, champion
    ):
        roll_back()
        promote(f"{NAME}/2")

        assert int(champion()) == 2
        roll_back()
        assert int(champion()) == 1

    def test_without_promotions_there_is_nothing_to_roll_back(self, candidate, roll_back):
        candidate(0.5)

        with pytest.raises(PromotionError, match="found no champion"):
            roll_back()

    def test_files_that_have_changed_since_are_refused(self, store, twice, roll_back, champion):
        first = store.client.get_model_version(NAME, "1").run_id
        file_of(store, first).write_text("another model")

        with pytest.raises(PromotionError, match="expected the files of version 1 of iris"):
            roll_back()

        assert int(champion()) == 2

    def test_a_list_that_was_altered_is_refused(self, store, twice, roll_back, champion):
        tags = store.client.get_registered_model(NAME).tags
        altered = tags["reprise.promotion.0001"].replace('"version": 1', '"version": 9')
        store.client.set_registered_model_tag(NAME, "reprise.promotion.0001", altered)

        with pytest.raises(PromotionError, match="entry 2 does not follow upon the one before"):
            roll_back()

        assert int(champion()) == 2

    def test_an_entry_without_a_signature_is_refused_where_one_is_demanded(
        self, store, twice, roll_back, verifier, champion
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


class TestOwnEvaluation:
    def test_what_this_process_has_judged_itself_needs_no_evaluation(
        self, train, judge, verifier, replays, champion
    ):
        _, judged = judge(train(), 0.5)
        registry.register(NAME, judged, evaluated_by="0" * 32)

        promotion.promote(verifier, NAME, who="Ada", why="", judged=judged)

        assert int(champion()) == 1


@pytest.mark.drill("reprise/verification", "reprise/replay", "reprise/models")
def test_a_real_training_and_evaluation_are_reproduced(store, step, verifier, champion):
    trained = step("train", depth=2)
    evaluated_by = step("evaluate", run_id=trained)
    judged = Evaluation.read(evaluated_by, original_run.read(evaluated_by).record)
    registry.register(NAME, judged, evaluated_by=evaluated_by)

    entry = promotion.promote(verifier, NAME, who="Ada", why="the first")

    assert int(champion()) == 1
    assert [store.tags(each)[tracking.REPLAY_OF] for each in entry.replays] == [
        trained,
        evaluated_by,
    ]
    assert json.loads(store.client.get_registered_model(NAME).tags["reprise.promotion.0001"]) == (
        entry.model_dump(mode="json")
    )
