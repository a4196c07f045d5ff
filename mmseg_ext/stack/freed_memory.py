"""glibc keeps freed memory instead of returning it to the system."""

import ctypes
from functools import lru_cache

# Names and numbers of glibc's <malloc.h>.
M_TRIM_THRESHOLD = -1
M_MMAP_THRESHOLD = -3
LARGEST_KEPT_ARRAY = 32 << 20  # bytes; glibc refuses a higher threshold
KEPT_AT_MOST = 256 << 20  # bytes


@lru_cache(maxsize=1)
def keep_freed_memory() -> bool:
    """Let the C library keep the memory of freed arrays for the next ones, in this process and those it forks.

    A pipeline frees temporary arrays of megabytes at every image. By default glibc returns them to the system, which
    then has to clear and map the same pages again for the next image. Here the process keeps up to 256 MiB of freed
    memory at the end of its heap.

    Returns:
        Whether it is set; False where the C library is another than glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    arguments = ((M_MMAP_THRESHOLD, LARGEST_KEPT_ARRAY), (M_TRIM_THRESHOLD, KEPT_AT_MOST))
    return all(mallopt(parameter, value) == 1 for parameter, value in arguments)
