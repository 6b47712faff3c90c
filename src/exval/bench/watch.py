"""Processes as seen from outside: which belong together, what memory they hold, and how they are ended.

Linux tells through ``/proc``; elsewhere ``ps`` is asked, which is slower and counts shared pages once for each process.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
LINUX = sys.platform.startswith("linux")


def die_with(parent: int) -> None:
    """Have this process killed when its parent dies (Linux), and end now if it has died already."""
    if LINUX:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def adopt_orphans() -> None:
    """Make this process the parent of every process below it that loses its own (Linux): none can slip away."""
    if LINUX:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def _from_ps() -> list[tuple[int, int, float]]:
    """(pid, parent, resident MB) of every process but the ``ps`` that tells."""
    with subprocess.Popen(["ps", "-axo", "pid=,ppid=,rss="], stdout=subprocess.PIPE, text=True) as ps:
        lines = ps.communicate()[0].splitlines()
    found = ((int(a), int(b), int(c) * 1.024e-3) for a, b, c in map(str.split, lines))
    return [one for one in found if one[0] != ps.pid]


def below(pid: int) -> list[int]:
    """All processes that a process has started, and those that these have started.

    Examples
    --------
    >>> import subprocess, sys
    >>> child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    >>> child.pid in below(os.getpid())
    True
    >>> child.kill(); _ = child.wait()
    """
    if LINUX and Path(f"/proc/self/task/{os.getpid()}/children").exists():
        found, open_ = [], [pid]
        while open_:
            with suppress(OSError):  # it ended meanwhile
                for task in Path(f"/proc/{open_.pop()}/task").iterdir():
                    with suppress(OSError):
                        open_ += (new := [int(word) for word in (task / "children").read_text().split()])
                        found += new
        return found
    family, every = {pid}, _from_ps()
    while True:
        more = {child for child, parent, _ in every if parent in family} - family
        if not more:
            return sorted(family - {pid})
        family |= more


def memory_mb(pids: list[int]) -> float:
    """Memory that processes hold together, MB: what they allocated and touched, without files mapped into them.

    Pages that several of them share (after a fork) count once, where the system tells.

    Examples
    --------
    >>> 5 < memory_mb([os.getpid()]) < 10_000
    True
    """
    if not LINUX:
        return sum(mb for pid, _, mb in _from_ps() if pid in set(pids))
    names = ("RssAnon:", "RssShmem:") if len(pids) == 1 else ("Pss_Anon:", "Pss_Shmem:")
    return sum(_field_mb(pid, "status" if len(pids) == 1 else "smaps_rollup", names) for pid in pids)


def _field_mb(pid: int, file: str, names: tuple[str, ...]) -> float:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0.0
    found = sum(int(line.split()[1]) for line in lines if line.startswith(names))
    if not found and file == "smaps_rollup":  # kernels before 5.9 tell the whole share only
        found = sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return found * 1.024e-3


def kill_below(pid: int) -> int:
    """Kill every process below one, and say how many there were."""
    found = below(pid)
    for child in found:
        with suppress(OSError):
            os.kill(child, signal.SIGKILL)
    return len(found)


def end_all(patience_s: float = 5.0) -> None:
    """Kill every process below this one, again until none is left: some may be starting others meanwhile."""
    last = time.monotonic() + patience_s
    while kill_below(os.getpid()) and time.monotonic() < last:
        reap()
        time.sleep(0.002)
    reap()


def reap() -> None:
    """Take note of every child of this process that has ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def system_kills() -> int:
    """How often the system has killed a process for want of memory; 0 where it does not say."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def machine_memory_gb() -> float:
    """Memory that this machine, or the container that this runs in, can give now, GB.

    Examples
    --------
    >>> machine_memory_gb() > 0.1
    True
    """
    free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    with suppress(OSError, ValueError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1.024e-6
    with suppress(OSError, ValueError):
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        free = min(free, (limit - int(Path("/sys/fs/cgroup/memory.current").read_text())) / 1e9)
    return free
