"""Ctrl-C: noted once, at once the second time, and only where nobody else handles it."""

import signal
import threading

import pytest

from lumin_core import Callback, Model
from lumin_core.training.interrupt import CtrlC, stop_fits


def press():
    signal.raise_signal(signal.SIGINT)


def test_the_first_is_noted_and_the_second_raises():
    with CtrlC() as ctrl_c:
        assert not ctrl_c.asked
        press()
        assert ctrl_c.asked
        with pytest.raises(KeyboardInterrupt):
            press()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with pytest.raises(KeyboardInterrupt):
        press()


def test_the_handler_is_given_back_after_an_error():
    with pytest.raises(ZeroDivisionError), CtrlC():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_whoever_handles_it_already_goes_on_doing_so():
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append("mine"))
    try:
        with CtrlC() as ctrl_c:
            press()
            assert not ctrl_c.asked
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == ["mine"]


def test_another_thread_is_left_alone():
    found = []

    def run():
        with CtrlC() as ctrl_c:
            found.append((ctrl_c.asked, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [(False, signal.default_int_handler)]


@pytest.mark.parametrize("state", ["train", "valid"])
@pytest.mark.parametrize("resume", [False, True])
def test_a_fit_ends_after_the_batch_and_says_how_to_go_on(make_builder, fy, tmp_path, state, resume):
    class Press(Callback):
        n_after = 0

        def on_batch_begin(self, fit_params):
            if fit_params.state == state and fit_params.batch == 1 and fit_params.epoch == 1:
                self.n_after += 1
                press() if self.n_after == 1 else None

        def on_batch_end(self, fit_params):
            self.last = fit_params.state, fit_params.batch

    model, pressing = Model(make_builder(fy)), Press()
    with pytest.raises(KeyboardInterrupt) as caught:
        model.fit(2, fy, 8, val_idx=2, cbs=pressing, cb_savepath=tmp_path, seed=1, resume=resume)
    assert pressing.last == (state, 1)
    way = "goes on after epoch 0" if resume else "a fit with resume=True keeps checkpoints"
    assert "interrupted in epoch 1 of 2, after batch 1 of 2" in str(caught.value)
    assert way in str(caught.value)
    assert (tmp_path / "interrupted.safetensors").is_file()
    assert not model.model.training


def test_fits_of_any_thread_are_stopped_as_by_ctrl_c(fy, make_builder, tmp_path):
    class Stopping(Callback):
        def on_batch_end(self):
            stop_fits()

    raised = []

    def fit():
        try:
            model.fit(9, fy, 8, cbs=Stopping(), cb_savepath=tmp_path, visible_bar=False)
        except KeyboardInterrupt as error:
            raised.append(str(error))

    model = Model(make_builder(fy))
    thread = threading.Thread(target=fit)
    thread.start()
    thread.join()
    assert "interrupted in epoch 1 of 9, after batch 1 of 2" in raised[0]
    stop_fits()  # there is none any more
    model.fit(1, fy, 8, trn_idxs=[0], cb_savepath=tmp_path, visible_bar=False)
