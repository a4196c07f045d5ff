"""Many small files a second, each there whole or not at all."""

import contextlib
import os


def write_whole(root: str, name: str, content: bytes) -> None:
    """Write a file by renaming a finished one to it; its folders are made.

    What `mmseg_ext.files.replace_file` does, at less cost, for files that only one process writes: there is no need to
    look for a name that nobody else has. A process that is killed leaves ``.<name>.<8 digits>``.

    Args:
        root: A folder.
        name: The file's path below it, with forward slashes.
        content: What to write.
    """
    path = f"{root}/{name}"
    folder, _, base = path.rpartition("/")
    unfinished = f"{folder}/.{base}.{os.getpid() % 10**8:08d}"
    try:
        try:
            file = open(unfinished, "wb")  # noqa: SIM115
        except FileNotFoundError:
            os.makedirs(folder, exist_ok=True)
            file = open(unfinished, "wb")  # noqa: SIM115
        with file:
            file.write(content)
        os.replace(unfinished, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(unfinished)
        raise
