"""Functions of cells that behave, and that misbehave in every way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

GROW = "x = []\nwhile True:\n    x.append(bytearray(20_000_000))\n"
SLEEP = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"


def cell(params):
    """Notes that it was called; a value that depends on the parameters alone; units with it."""
    if "calls" in params:
        with open(params["calls"], "a") as file:
            file.write(f"{params['method']}-{params['i']}\n")
    time.sleep(params.get("sleep", 0))
    value = params["i"] + 0.5
    units = pd.DataFrame({"sample": ["a", "b"], "metric": "rmse", "value": [value, value + 1]})
    return {"rows": [{"metric": "rmse", "value": value, "n": 2}], "units": units}


def nap(params):
    time.sleep(params["sleep"])
    return one(1.0)


def one(value):
    return {"rows": [{"metric": "rmse", "value": value}]}


def answer(params):
    """Whatever the parameters say."""
    return params["answer"]


def draws(params):
    """Numbers of global generators that nobody seeded, and the order of a set of texts."""
    import random

    return {"rows": [{"metric": "rmse", "value": np.random.random() + random.random(),
                      "note": "".join({"ab", "cd", "ef", "gh"})}]}  # fmt: skip


def raises(params):
    raise {"value": ValueError("of\ntwo lines"), "exit": SystemExit(4), "stop": KeyboardInterrupt()}[params["kind"]]


def exits(params):
    os._exit(0)


def killed(params):
    os.kill(os.getpid(), getattr(signal, params["signal"]))
    time.sleep(60)


def at_once(params):
    """Asks for a hundred times its limit in one go, and touches all of it."""
    np.ones(int(params["gb"] * 1e9 / 8)).sum()
    return one(1.0)


def grows_elsewhere(params):
    """The memory is taken by a process that it starts."""
    subprocess.run([sys.executable, "-c", GROW], check=True)
    return one(1.0)


def starts(params):
    """Starts a process that would outlive it, in a session of its own, and ends, or waits for it."""
    command = [sys.executable, "-c", SLEEP, params["pid"]]
    child = subprocess.Popen(command, start_new_session=True)
    while not Path(params["pid"]).exists() or not Path(params["pid"]).read_text():
        time.sleep(0.01)
    if params["wait"]:
        child.wait()
    return one(1.0)


def noisy(params):
    """Writes to every stream, closes them, and reads."""
    print("not an answer")
    sys.stderr.write("nor this\n")
    os.write(1, b'{"status": "ok"}\n')
    got = sys.stdin.read()
    os.close(0)
    return {"rows": [{"metric": "rmse", "value": 1.0, "note": repr(got)}]}


def threads(params):
    """A product of matrices on as many threads as it may use: what hangs if a fork went wrong."""
    import torch
    from threadpoolctl import threadpool_info

    x = np.random.default_rng(0).normal(size=(600, 600))
    value = float((x @ x).trace()) + float((torch.from_numpy(x) @ torch.from_numpy(x)).trace())
    most = max((pool["num_threads"] for pool in threadpool_info()), default=1)
    return {"rows": [{"metric": "rmse", "value": value, "n": most, "note": str(torch.get_num_threads())}]}


def once(params):
    """Fails at the first call."""
    flag = Path(params["flag"])
    if not flag.exists():
        flag.touch()
        raise ValueError("not yet")
    return one(1.0)
