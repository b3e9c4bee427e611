"""Which failures of a test on real servers are worth a second look at the machine."""

import pytest
from nats import errors

from tests import conftest

GROUP = ExceptionGroup("cut off", [ExceptionGroup("", [TimeoutError()]), TimeoutError()])


@pytest.mark.parametrize("error", [TimeoutError(), errors.TimeoutError(), GROUP])
def test_a_wait_that_ran_out_is(error: BaseException) -> None:
    assert conftest.waited(error)


@pytest.mark.parametrize("error", [AssertionError(), ExceptionGroup("", [TimeoutError(), AssertionError()])])
def test_a_wrong_answer_is_not(error: BaseException) -> None:
    assert not conftest.waited(error)
