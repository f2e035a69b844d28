"""What a call says when it refuses, which is one line."""

import pytest


def refusal(call, *arguments, error, **named):
    """Return the text of the error that a call raises."""
    with pytest.raises(error) as caught:
        call(*arguments, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)
