"""Arrays in a bounded folder, mapped into memory: shared by all processes, kept between runs.

An entry is one file: a header with the state of what the array was made of, and the array as it is. Entries are
read without a lock. A new one is written to a temporary file and renamed, under a lock of the folder: it is whole or
missing.
"""

from __future__ import annotations

import fcntl
import hashlib
import math
import mmap
import os
import struct
import sys
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from mmseg_ext.errors import UserError
from mmseg_ext.image_names import name_bytes

SUFFIX = ".array"
# Made by, state of the source; type, dimensions and shape of the array; checksum; filled up to 64 bytes.
HEADER = struct.Struct("<8sqqq4sB4II7x")
FORMAT = b"arrays-1"
MAX_DIMENSIONS = 4
# Numbers alone: an entry of Python objects would be pointers.
DTYPES = {np.dtype(kind).str.encode(): np.dtype(kind) for kind in "?bBhHiIqQefd"}
NO_STAMP = (0, 0, 0)


def pack_header(stamp: tuple[int, int, int], array: np.ndarray) -> bytes:
    """Make the header of an entry, whose checksum is of itself, without the checksum, and of the array.

    Args:
        stamp: The state of what the array was made of.
        array: Contiguous, of at most four dimensions.
    """
    shape = (*array.shape, *[0] * (MAX_DIMENSIONS - array.ndim))
    values = (FORMAT, *stamp, array.dtype.str.encode(), array.ndim, *shape)
    return HEADER.pack(*values, zlib.crc32(array.data, zlib.crc32(HEADER.pack(*values, 0))))


class ArrayStore:
    """A folder of arrays, of at most `limit_gb`.

    Once it or the disk is full, no entry is written any more, with a warning. No entry is removed.

    Args:
        folder: Made where it is missing. Several processes and runs may use it at the same time.
        limit_gb: Most that its files may take together, in GB (10⁹ bytes).

    Raises:
        UserError: The folder cannot be made, or the limit is not positive.
    """

    without = "arrays that it lacks are made each time"
    """What happens once nothing is written any more, for the warning."""

    def __init__(self, folder: str | Path, limit_gb: float = 10.0) -> None:
        if not limit_gb > 0:
            raise UserError(f"Expected `cache_gb` > 0, got {limit_gb}.")
        self.folder = Path(folder).absolute()
        self.limit = int(limit_gb * 1e9)
        self.fills = True
        self._checked: set[str] = set()  # entries whose checksum this process has compared
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"Cannot make the folder `cache_dir`, {self.folder}: {error}. Name another.") from error
        with self._tolerant(), self._locked() as total_file:
            self._write_total(total_file, self._count())

    def __deepcopy__(self, memo: dict) -> ArrayStore:
        """Return itself: test-time augmentation copies samples with all they hold, and there is one cache."""
        return self

    def load(self, name: str, stamp: tuple[int, int, int] = NO_STAMP) -> np.ndarray | None:
        """Map an entry; the caller may change the array.

        Args:
            name: Says what the array is, with all settings that matter.
            stamp: State of what it was made of, for names that outlive it.

        Returns:
            None where there is no entry, or one of another stamp.
        """
        return self._read(self._entry(name), stamp)

    def save(self, name: str, array: np.ndarray, stamp: tuple[int, int, int] = NO_STAMP) -> None:
        """Write an entry, unless the folder or the disk is full or the array is of an unsuitable type."""
        if self.fills and array.ndim <= MAX_DIMENSIONS and array.dtype.str.encode() in DTYPES:
            with self._tolerant():
                self._write(self._entry(name), stamp, array)

    def _entry(self, name: str) -> str:
        return f"{self.folder}/{hashlib.blake2b(name_bytes(name), digest_size=16).hexdigest()}{SUFFIX}"

    def _read(self, entry: str, stamp: tuple[int, int, int]) -> np.ndarray | None:
        """Map an entry; None where there is none, or one of another stamp."""
        try:
            descriptor = os.open(entry, os.O_RDONLY)
            try:
                # Pages that the caller changes become its own; the file and the other processes never see it.
                mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY)
            finally:
                os.close(descriptor)
            made_by, *made_of, dtype, num_dimensions, s0, s1, s2, s3, _ = HEADER.unpack_from(mapped)
            if made_by != FORMAT or tuple(made_of) != stamp:
                return None
            shape = (s0, s1, s2, s3)[:num_dimensions]
            kind = DTYPES[dtype.rstrip(b"\0")]
            # An entry is not trusted: an array of another size would reach beyond the file.
            if num_dimensions > MAX_DIMENSIONS or HEADER.size + math.prod(shape) * kind.itemsize != len(mapped):
                return None
            array: np.ndarray = np.ndarray(shape, kind, buffer=mapped, offset=HEADER.size)
            if entry not in self._checked:
                if pack_header(stamp, array) != mapped[: HEADER.size]:  # a disk or a person has changed it
                    return None
                self._checked.add(entry)
            return array
        except (OSError, ValueError, KeyError, struct.error):  # no file; an empty, cut off or foreign one
            return None

    def _write(self, entry: str, stamp: tuple[int, int, int], array: np.ndarray) -> None:
        size = HEADER.size + array.nbytes
        with self._locked() as total_file:
            if self._read(entry, stamp) is not None:  # another process has written it
                return
            total = self._read_total(total_file)
            with suppress(FileNotFoundError):  # made of an earlier state of the source
                total -= os.stat(entry).st_size
                os.unlink(entry)
            if total + size > self.limit:
                self._write_total(total_file, total)
                self._stop(f"has reached its limit of {self.limit / 1e9:g} GB. Raise `cache_gb` to keep more")
                return
            # Before the file: after a crash the total may be too high, never too low.
            self._write_total(total_file, total + size)
            contiguous = np.ascontiguousarray(array)
            header = pack_header(stamp, contiguous)
            temporary = self.folder / "writing"  # one at a time, under the lock
            try:
                with open(temporary, "wb", buffering=0) as file:
                    os.posix_fallocate(file.fileno(), 0, size)  # raises on a full disk
                    file.write(header)
                    data = contiguous.reshape(-1).view(np.uint8).data
                    while data:
                        data = data[file.write(data) :]
                os.replace(temporary, entry)
            except OSError:
                with suppress(OSError):
                    os.unlink(temporary)
                    self._write_total(total_file, total)
                raise

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """Hold the folder's lock; yields the descriptor of the file that holds the total."""
        descriptor = os.open(self.folder / "total", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)

    def _read_total(self, descriptor: int) -> int:
        digits = os.pread(descriptor, 32, 0)
        return int(digits) if digits.strip().isdigit() else self._count()

    @staticmethod
    def _write_total(descriptor: int, total: int) -> None:
        os.pwrite(descriptor, f"{total:20d}\n".encode(), 0)

    def _count(self) -> int:
        """Add up the entries, while the lock is held; deletes what a killed process left half written."""
        with suppress(FileNotFoundError):
            os.unlink(self.folder / "writing")
        with os.scandir(self.folder) as files:
            return sum(file.stat().st_size for file in files if file.name.endswith(SUFFIX))

    @contextmanager
    def _tolerant(self) -> Iterator[None]:
        """Stop writing, with a warning, where the disk fails."""
        try:
            yield
        except OSError as error:
            self._stop(f"cannot be written ({error.strerror or error}). Free some space, or name another `cache_dir`")

    def _stop(self, reason: str) -> None:
        self.fills = False
        data = sys.modules.get("torch.utils.data")
        worker = data.get_worker_info() if data is not None else None
        if worker is None or worker.id == 0:  # one warning for all workers
            warnings.warn(f"The cache {self.folder} {reason}; {self.without}.", stacklevel=2)
