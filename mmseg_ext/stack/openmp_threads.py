"""OpenMP threads that wait for one another leave the processor to others."""

import os

SPIN_COUNT = 1000


def limit_spinning() -> None:
    """Let torch's threads sleep soon where they wait for one another; call it before torch is imported.

    Each parallel operation of torch ends with its threads waiting for the last one. By default GNU's OpenMP, which
    torch's wheels for Linux bring along, lets them spin 300,000 times before they sleep (GCC manual, GOMP_SPINCOUNT).
    Where another process takes one of the processors, those that spin keep the last thread from its turn. What the user
    has set stays.

    Measured: the demo's network with all labels on two cores, beside one process that is always busy, takes 0.11
    seconds an iteration, and 10 with the default; without that process 0.057 and 0.058, and 0.057 and 0.061 with the
    default (2026-11-27, `tools/train.py`, AMD EPYC, torch 2.15.0).
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(SPIN_COUNT))
