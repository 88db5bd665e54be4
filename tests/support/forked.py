"""Scripts in processes of their own that begin with torch loaded, which each would take seconds for.

They are forked from a process that has loaded what ours depends on, and nothing of ours. Where a system cannot fork,
each loads all that itself.
"""

import json
import os
import subprocess
import sys

SERVER = """
import json, os, runpy, signal, sys
import h5py, numpy, pandas, torch, torch._dynamo  # the last is what the first optimiser loads

signal.signal(signal.SIGINT, signal.default_int_handler)
for line in sys.stdin:
    script, folder, seconds = json.loads(line)
    if not (pid := os.fork()):
        for number, name in enumerate((os.devnull, f"{script}.out", f"{script}.err")):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT), number)
        os.chdir(folder)
        signal.alarm(seconds)
        sys.argv, sys.path[0] = [script], os.path.dirname(script)
        sys.modules.pop("__mp_main__", None)  # what multiprocessing takes for the script, and is this server
        runpy.run_path(script, run_name="__main__")
        break
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


class Scripts:
    """Runs scripts, one after the other, with these variables of the environment besides those that are there."""

    def __init__(self, **environment):
        self._environment = {**os.environ, **environment}
        self._server = None

    def __enter__(self):
        if hasattr(os, "fork"):
            command = [sys.executable, "-c", SERVER]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            self._server = subprocess.Popen(command, env=self._environment, **pipes)
        return self

    def __exit__(self, *error):
        if self._server is not None:
            self._server.communicate()

    def run(self, script, folder, seconds):
        """Run one in a folder, and give its exit code and what it wrote; it has so many seconds."""
        if self._server is None:
            done = subprocess.run(
                [sys.executable, str(script)],
                cwd=folder, env=self._environment, capture_output=True, text=True, timeout=seconds, check=False,
            )  # fmt: skip
            return done.returncode, done.stdout, done.stderr
        print(json.dumps([str(script), str(folder), seconds]), file=self._server.stdin, flush=True)
        code = int(self._server.stdout.readline())
        return code, *(script.with_name(script.name + end).read_text() for end in (".out", ".err"))
