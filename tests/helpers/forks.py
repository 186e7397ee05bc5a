"""Scripts that each need a process of their own, but may share the imports that come first in all of them."""

import json
import subprocess
import sys
from collections.abc import Sequence

FORKS = """
import gc, json, os, sys, tempfile, traceback
gc.disable()  # imports make no garbage, and to look for it costs a fifth of their time
done = []
for first, script in json.load(sys.stdin):
    exec(first, {})
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = os.fork()
        if not pid:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            code = 0
            try:
                exec(script, {"__name__": "__main__"})
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
            except BaseException:
                traceback.print_exc()
                code = 1
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        words = []
        for stream in (out, err):
            stream.seek(0)
            words.append(stream.read().decode())
        done.append([code, *words])
print(json.dumps(done))
"""


def run_in_forks(
    stages: Sequence[tuple[str, Sequence[str]]], timeout_s: float = 400
) -> dict[str, subprocess.CompletedProcess[str]]:
    """What each script did in a fork of one new Python; by script.

    A stage is what that Python runs first, after all stages before, and the scripts that follow in forks.
    """
    words = [sys.executable, "-c", FORKS]
    given = [
        (first if number == 0 else "", script)
        for first, scripts in stages
        for number, script in enumerate(scripts)
    ]
    ran = subprocess.run(
        words, input=json.dumps(given), stdout=-1, text=True, timeout=timeout_s, check=True
    )
    return {
        script: subprocess.CompletedProcess(words, code, out, err)
        for (_, script), (code, out, err) in zip(given, json.loads(ran.stdout), strict=True)
    }
