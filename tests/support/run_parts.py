"""What tests send to workers: a module that they can import, and light, so that they begin at once."""

import os
import signal
import sys
import threading

from lumin_core.errors import DataError


class Unpicklable(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def announce(pipe):
    """Tell through a named pipe that something has begun; the pipe ends with the process, or what is returned."""
    file = pipe.open("w")
    file.write("begun\n")
    file.flush()
    return file


def hold(pipe):
    with announce(pipe):
        threading.Event().wait()


def end(code):
    os._exit(code)


def die(name):
    os.kill(os.getpid(), getattr(signal, name))


def fail(error=ValueError, *args):
    raise error(*args)


def give_lambda():
    return lambda: 0


def torch_threads():
    import torch

    return torch.get_num_threads()


class At:
    """Does something in an epoch of one model."""

    def __init__(self, number, marker=None, epoch=2):
        self.number, self.marker, self.epoch = number, marker, epoch

    def on_epoch_begin(self, fit_params):
        here = (fit_params.cb_savepath.name, fit_params.epoch, fit_params.state)
        if here == (f"model_{self.number}", self.epoch, "train") and not (self.marker and self.marker.exists()):
            if self.marker:
                self.marker.touch()
            self.act(fit_params)


class Killed(At):
    def act(self, fit_params):
        os.kill(os.getpid(), signal.SIGKILL)


class Failed(At):
    def act(self, fit_params):
        raise DataError("something is wrong with this fold")


class Holding(At):
    """Waits in the middle of the training of every model, while the marker is there."""

    def __init__(self, pipe, marker):
        self.pipe, self.marker = pipe, marker

    def on_epoch_begin(self, fit_params):
        if fit_params.epoch == 2 and fit_params.state == "train" and self.marker.exists():
            self.act()

    def act(self):
        hold(self.pipe)


class Waiting(Holding):
    """Goes on when a signal has come."""

    def act(self):
        read, write = os.pipe()
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write)
        with announce(self.pipe):
            os.read(read, 1)
        signal.set_wakeup_fd(-1)


class Loud:
    def on_train_begin(self):
        sys.stdout.write("printed\n")
        sys.stderr.write("warned\n")
