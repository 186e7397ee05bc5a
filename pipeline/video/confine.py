"""What the decoding child gives up before it opens a file: the network, writing to disk, new rights, secrets.

Linux only, and as far as the kernel and a container around us allow; ``confine`` says what came of each.

* network: a network namespace of its own, which has no interface (``unshare``; with a user namespace where only that is
  allowed). Failing that, no TCP by Landlock (kernel 6.7).
* files: none can be written, made, moved or removed outside a temporary folder of the child's own (Landlock, kernel
  5.13; see Documentation/userspace-api/landlock of the kernel). Failing that, no file can grow beyond ``LARGEST_FILE``.
* rights: ``no_new_privs``; a set-user-id program gives nothing.
* environment: ``child_environment`` passes on what decoding needs, so no access key is in the child's memory.

Files can still be read by whoever runs the job: a decoder needs its libraries, and the next source is not known yet.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Mapping

KEPT = frozenset(
    (
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "VIRTUAL_ENV",
    )
)
"""Variables of the environment that the child gets."""
KEPT_PREFIXES = ("CUDA_", "NVIDIA_", "PYTORCH_", "MALLOC_", "COVERAGE_")
"""Starts of the names of others."""
LARGEST_FILE = 64 << 20
"""Size in bytes up to which a child may write a file where Landlock is missing: tables of colours are written."""
_NEWUSER, _NEWNET = 0x10000000, 0x40000000
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_WRITES = 0x1FFF & ~(
    0x1 | 0x4 | 0x8
)  # every right of the first version but execute, read_file and read_dir
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_TCP = 0x3  # bind and connect
_SCOPES = 0x3  # abstract sockets of others, signals to others
_DEVICES = ("/dev/null", "/dev/zero", "/dev/nvidia", "/dev/dri")
_NO_NEW_PRIVS = 38


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables that a decoding child gets: none that could be a secret."""
    return {
        name: value
        for name, value in environment.items()
        if name in KEPT or name.startswith(KEPT_PREFIXES)
    }


def confine(folder: str) -> dict[str, str]:
    """Give up what decoding does not need, for good; ``network``, ``files`` -> how, ``open`` where it could not be.

    ``folder`` stays writable. To be called before any thread starts. Never raises.
    """
    if sys.platform != "linux":
        return {"network": "open", "files": _size_limit()}
    libc = ctypes.CDLL(None, use_errno=True)
    network = "namespace" if _leave_network(libc) else ""
    version = _landlock(libc, folder)
    files = "landlock" if version else _size_limit()
    if not network:
        network = "landlock" if version >= 4 else "open"
    return {"network": network, "files": files}


def _leave_network(libc: ctypes.CDLL) -> bool:
    if libc.unshare(_NEWNET) == 0:
        return True
    if os.geteuid() == 0:
        return False  # in a user namespace root would lose its right to read the files of others
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(_NEWUSER | _NEWNET) != 0:
        return False
    try:
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    except OSError:
        pass  # unmapped, the process has its rights all the same
    return True


def _landlock(libc: ctypes.CDLL, folder: str) -> int:
    """Forbid writing outside ``folder`` by Landlock; the version of it that is in force, 0 for none."""
    if platform.machine() not in ("x86_64", "aarch64"):
        return 0  # elsewhere the calls may have other numbers
    version = int(libc.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint(1)))
    if version < 1:
        return 0
    writes = _WRITES | (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)
    fields = struct.pack(
        "=QQQ", writes, _TCP if version >= 4 else 0, _SCOPES if version >= 6 else 0
    )
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = int(libc.syscall(_CREATE, fields, ctypes.c_size_t(size), ctypes.c_uint(0)))
    if rules < 0:
        return 0
    try:
        _allow(libc, rules, folder, writes)
        for name in sorted(os.listdir("/dev")) if os.path.isdir("/dev") else ():
            path = f"/dev/{name}"
            if path.startswith(_DEVICES):
                _allow(libc, rules, path, (1 << 1) | (_TRUNCATE if version >= 3 else 0))
        if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            return 0
        if libc.syscall(_RESTRICT, ctypes.c_int(rules), ctypes.c_uint(0)) != 0:
            return 0
    finally:
        os.close(rules)
    return version


def _allow(libc: ctypes.CDLL, rules: int, path: str, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        rule = struct.pack("=Qi", rights, handle)
        libc.syscall(_ADD, ctypes.c_int(rules), ctypes.c_int(1), rule, ctypes.c_uint(0))
    finally:
        os.close(handle)


def _size_limit() -> str:
    """Keep files that are written small: pipes are not touched by it."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    except (ImportError, ValueError, OSError):
        return "open"
    return "size limit"


def describe(active: Mapping[str, str]) -> str:
    """One line on what is closed to the child, e.g. ``network: namespace, files: landlock``."""
    return ", ".join(f"{name}: {active.get(name, 'open')}" for name in ("network", "files"))
