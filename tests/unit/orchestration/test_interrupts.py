import os
import signal
import threading

import pytest
from dagster._utils.interrupts import capture_interrupts

from orchestration.interrupts import watch_interrupts


@pytest.fixture(autouse=True)
def _ctrl_c_raises():
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


def test_one_that_dagster_forgets_is_raised_afterwards():
    with watch_interrupts() as raise_if_interrupted:
        raise_if_interrupted()
        with capture_interrupts():
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            raise_if_interrupted()
        raise_if_interrupted()  # once is enough


def test_other_signals_do_not_count():
    previous = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        with watch_interrupts() as raise_if_interrupted:
            os.kill(os.getpid(), signal.SIGUSR1)
            raise_if_interrupted()
    finally:
        signal.signal(signal.SIGUSR1, previous)


def test_what_was_watched_before_is_watched_again():
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)
    with watch_interrupts():
        pass
    assert signal.set_wakeup_fd(before) == before


def test_another_thread_may_run_stages():
    failures = []

    def work():
        try:
            with watch_interrupts() as raise_if_interrupted:
                raise_if_interrupted()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failures == []
