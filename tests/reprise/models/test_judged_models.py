"""A model is better only by the same metric, on the same test data, and strictly."""

import pytest

from reprise.models.evaluation import Evaluation


def judged(score, **changes):
    fields = {
        "model": "b" * 64,
        "metric": "accuracy",
        "score": score,
        "greater_is_better": True,
        "test_digest": "t1",
    }
    return Evaluation(**{**fields, **changes})


@pytest.mark.parametrize(
    ("own", "other", "better"),
    [
        (0.75, 0.5, True),
        (0.5, 0.5, False),
        (0.25, 0.5, False),
        (0.3, 0.1 + 0.2, False),
        (0.1 + 0.2, 0.3, True),  # by the last bit
    ],
)
def test_more_is_better(own, other, better):
    assert (judged(own).why_not_better(judged(other)) == "") is better


@pytest.mark.parametrize(("own", "better"), [(0.4, True), (0.5, False), (0.6, False)])
def test_less_is_better_of_a_loss(own, better):
    loss = {"metric": "log_loss", "greater_is_better": False}

    assert (judged(own, **loss).why_not_better(judged(0.5, **loss)) == "") is better


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"test_digest": "t2"}, "it was tested on other data"),
        ({"metric": "mcc"}, "it was judged by accuracy, not by mcc"),
    ],
)
def test_scores_of_other_data_or_metrics_are_not_compared(changes, reason):
    assert judged(0.99, **changes).why_not_better(judged(0.5)).startswith(reason)


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="finite number"):
        judged(float("nan"))
