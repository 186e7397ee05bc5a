"""Scripts that each need a process of their own, but may share the imports that come first in all of them."""

import json
import subprocess
import sys
from collections.abc import Sequence

FORKS = """
import json, os, sys, tempfile, traceback
first, scripts = json.load(sys.stdin)
exec(first, {})
done = []
for script in scripts:
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
    first: str, scripts: Sequence[str], timeout_s: float = 400
) -> dict[str, subprocess.CompletedProcess[str]]:
    """What each script did in a fork of one new Python that had run ``first``; by script."""
    words = [sys.executable, "-c", FORKS]
    given = json.dumps([first, list(scripts)])
    ran = subprocess.run(words, input=given, stdout=-1, text=True, timeout=timeout_s, check=True)
    return {
        script: subprocess.CompletedProcess(words, code, out, err)
        for script, (code, out, err) in zip(scripts, json.loads(ran.stdout), strict=True)
    }
