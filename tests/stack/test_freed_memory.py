"""The allocator's setting: it holds, and a second call changes nothing."""

import ctypes
import platform
import subprocess
import sys

from mmseg_ext.stack.freed_memory import keep_freed_memory

COUNT_FAULTS = """
import resource, sys
import numpy as np
from mmseg_ext.stack.freed_memory import keep_freed_memory
if sys.argv[1] == "set":
    assert keep_freed_memory()
def use(size):
    arrays = [np.ones(size, np.uint8) for _ in range(4)]
for _ in range(3):
    use(3 << 20)
    use(20 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    use(3 << 20)
    use(20 << 20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(setting):
    command = [sys.executable, "-c", COUNT_FAULTS, setting]
    return int(subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout)


def test_freed_arrays_are_used_again_without_page_faults():
    assert keep_freed_memory() == keep_freed_memory()
    if platform.libc_ver()[0] != "glibc":
        assert not hasattr(ctypes.CDLL(None), "mallopt")
        return
    assert keep_freed_memory()
    assert page_faults("set") < page_faults("unset") / 10
