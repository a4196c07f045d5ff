"""Code that runs in a fresh Python, since it leaves traces in its process."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from mmseg_ext import stack

ROOT = Path(stack.__file__).parents[2]
NO_NETWORK = """
import socket
def no_network(*args, **kwargs):
    raise socket.gaierror(-2, "Name or service not known")
socket.getaddrinfo = no_network
"""


def run_python(code, cwd, env=None, network=True):
    """Run code in a fresh Python; return what it wrote to stdout and to stderr."""
    unset = {"TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "PYTHONWARNINGS", "HF_HUB_OFFLINE"}
    unset |= {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}
    unset |= {name for name in os.environ if not network and name.lower().endswith("_proxy")}
    clean = {name: value for name, value in os.environ.items() if name not in unset}
    script = ("" if network else NO_NETWORK) + textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=cwd,
        env={**clean, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), **(env or {})},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout, done.stderr
