"""Stands in for ``python``: has a warm process (``warm_server``) fork, and lives as long as the fork does.

Started with ``-IS`` by the file that ``warm_python`` writes, so that it costs hundredths of a second.
"""

import json
import os
import signal
import socket
import sys

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT)


def main(python: str, address: str, words: list[str]) -> None:
    """``words``: what follows ``python`` on a command line. A start that is not plain is no fork."""
    parent = os.getppid()
    start = 0
    while words[start : start + 1] in (["-u"], ["-B"]):
        start += 1
    option = words[start][:1] == "-" if words[start:] else True
    if option and words[start : start + 1] not in (["-c"], ["-m"]):
        os.execv(python, [python, *words])
    connection = socket.socket(socket.AF_UNIX)
    fds = [int(name) for name in os.listdir("/proc/self/fd")]
    fds = sorted(
        fd for fd in fds if fd != connection.fileno() and os.path.exists(f"/proc/self/fd/{fd}")
    )
    wanted = {
        "words": words[start:],
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "fds": fds,
        "blocked": [int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
    }
    body = json.dumps(wanted).encode()
    try:
        connection.connect(address)
        socket.send_fds(connection, [len(body).to_bytes(8, "big")], fds)
        connection.sendall(body)
        forked = connection.recv(1) == b"f"
    except OSError:
        forked = False
    if not forked:
        os.execv(python, [python, *words])
    for number in SIGNALS:
        signal.signal(number, lambda number, _: connection.send(bytes([number])))
    os.closerange(0, connection.fileno())
    _end(_wait(connection, parent))


def _wait(connection: socket.socket, parent: int) -> int:
    """The fork's exit code; when our parent is gone we end, and the server ends the fork."""
    connection.settimeout(1)
    answer = b""
    while len(answer) < 4:
        try:
            more = connection.recv(4 - len(answer))
        except TimeoutError:
            if os.getppid() != parent:
                return 255
            continue
        if not more:
            return 255  # the warm process is gone, and with it its forks
        answer += more
    return int.from_bytes(answer, "big", signed=True)


def _end(code: int) -> None:
    """As the fork ended: by the same signal, or with the same code."""
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [-code])
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
