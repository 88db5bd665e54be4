"""What a process that looks at files may come to; in a module of its own, as another process imports it."""

import os
import signal
import threading


def die(path, report):
    report("fold_0/inputs")
    os.kill(os.getpid(), signal.SIGSEGV)


def go_on_for_ever(path, report):
    report("fold_0/inputs")
    threading.Event().wait()
