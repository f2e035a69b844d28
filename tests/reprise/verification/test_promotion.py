"""A champion moves only where replays bear out its training and its score; tags say nothing."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from evidences import FAR, compared
from registered import NAME

from reprise import tracking
from reprise.errors import ModelError, NotJudgedError, PromotionError, TrackingError
from reprise.models import registry
from reprise.models.evaluation import FILE_NAME, Evaluation
from reprise.record.verdict import Verdict
from reprise.replay import original_run
from reprise.verification import promotion
from reprise.verification.policy import Allowed, Equivalent, Policy
from reprise.verification.verifying import Verifier


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

    def test_a_pickle_that_cannot_be_compared_promotes_nothing(
        self, candidate, promote, champion, monkeypatch
    ):
        reproduced = Verifier._reproduced

        def opaque(self, original):
            found = reproduced(self, original)
            changes = {"model_opaque": found.model_files, "model_files": {}}
            return found.model_copy(update=changes)

        monkeypatch.setattr(Verifier, "_reproduced", opaque)
        candidate(0.5)

        with pytest.raises(PromotionError, match=r"nobody can compare: model\.skops"):
            promote()

        assert champion() is None

    def test_an_evaluation_that_differs_promotes_nothing(
        self, train, judge, promote, champion, replays
    ):
        trained = train()
        evaluated_by, judged = judge(trained, 0.5)
        registry.register(NAME, trained, judged, evaluated_by=evaluated_by)
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


class TestOwnEvaluation:
    def test_what_this_process_has_judged_itself_needs_no_evaluation(
        self, train, judge, verifier, replays, champion
    ):
        trained = train()
        _, judged = judge(trained, 0.5)
        registry.register(NAME, trained, judged, evaluated_by="0" * 32)

        promotion.promote(verifier, NAME, who="Ada", why="", judged=judged)

        assert int(champion()) == 1


@pytest.mark.drill("reprise/verification", "reprise/replay", "reprise/models")
def test_a_real_training_and_evaluation_are_reproduced(store, step, verifier, champion):
    trained = step("train", depth=2)
    evaluated_by = step("evaluate", run_id=trained)
    judged = Evaluation.read(evaluated_by, original_run.read(evaluated_by).record)
    registry.register(NAME, trained, judged, evaluated_by=evaluated_by)

    entry = promotion.promote(verifier, NAME, who="Ada", why="the first")

    assert int(champion()) == 1
    assert [store.tags(each)[tracking.REPLAY_OF] for each in entry.replays] == [
        trained,
        evaluated_by,
    ]
    assert json.loads(store.client.get_registered_model(NAME).tags["reprise.promotion.0001"]) == (
        entry.model_dump(mode="json")
    )
