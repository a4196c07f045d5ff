"""Damaged and forged checkpoints, configs inside them and pointers to them: no crash, no code, one line."""

from __future__ import annotations

import os
import pickletools
import random
import sys
from pathlib import Path

from fault_trials.trials import ROOT, change_bytes, expect_one_line

sys.path.insert(0, str(ROOT / "tests" / "stack"))

RUN = b"X\x09\x00\x00\x00touch ran"
GLOBALS = [
    ("posix", "system"),
    ("__builtin__", "eval"),
    ("__builtin__", "getattr"),
    ("_codecs", "encode"),
    ("collections", "OrderedDict"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("torch", "Tensor"),
    ("torch", "float32"),
    ("torch", "FloatStorage"),
    ("torch.storage", "UntypedStorage"),
    ("torch", "FloatTensor"),
    ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_sparse_tensor"),
    ("torch._utils", "_rebuild_qtensor"),
    ("torch._tensor", "_rebuild_from_type_v2"),
    ("torch.nn.parameter", "Parameter"),
    ("mmengine.logging.history_buffer", "HistoryBuffer"),
]
CALLS = [b")R", b")\x81", b"}b", b"K\x05\x85R", b"(t\x81", b"(K\x01tR", b"NQ", b"(tQ", b""]
CODE = [
    b"cposix\nsystem\n" + RUN + b"\x85R",
    b"(" + RUN + b"iposix\nsystem\n",
    b"(cposix\nsystem\n" + RUN + b"o",
    RUN + b"\x8c\x05posix\x8c\x06system\x93" + RUN + b"\x85R",
    b"\x82\x01",
    b"\x83\x01\x00",
    b"P" + RUN + b"\n",
]
OPCODES = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]
SNIPPETS = [f"c{module}\n{name}\n".encode() for module, name in GLOBALS] + CALLS + CODE + OPCODES

CONFIG = b"model = dict(type='EncoderDecoder', depth=[18, -1.5, None])\ntrain_cfg = dict(max_iters=100)\n"
CONFIG_CODE = [
    b"__import__('os').system('touch ran')",
    b"import os; os.system('touch ran')\n",
    b"{{ fileDirname }}",
    b"_base_ = '/etc/passwd'\n",
    b'exec(\'open("ran", "w")\')',
    b"[open('ran', 'w') for _ in range(1)]",
    b"lambda: 0",
    b'f\'{open("ran", "w")}\'',
    b"(" * 3000,
    b"9**9**9**9",
    b"10000000000 * 'a'",
]


class CheckpointTrials:
    """Changed files of a small training run's checkpoint."""

    def __init__(self) -> None:
        import numpy as np
        import torch
        from mmengine.logging import HistoryBuffer
        from pickle_files import save, unpack

        buffer = HistoryBuffer()
        buffer.update(1.0)
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
        optimizer = torch.optim.AdamW(model.parameters())
        model(torch.ones(4, 3)).sum().backward()
        optimizer.step()
        content = {
            "state_dict": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "meta": {"seed": np.int64(3), "iter": 1},
            "message_hub": {
                "log_scalars": {"train/loss": buffer},
                "runtime_info": {"best_score": np.float32(1)},
                "resumed_keys": {},
            },
        }
        self.file, self.legacy_file = save(content), save(content, legacy=True)
        self.pickle = unpack(self.file)
        self.borders = [place for _, _, place in pickletools.genops(self.pickle) if place is not None]

    def change_pickle(self, chance: random.Random, data: bytes, places: list[int] | None) -> bytes:
        """Change opcodes, arguments and order of a pickle; put code into it."""
        changed = bytearray(data)
        for _ in range(chance.choice([1, 1, 2, 4])):
            place = chance.choice(places) if places else chance.randrange(len(changed))
            place = min(place, len(changed) - 1)
            way = chance.randrange(4)
            if way == 0:
                changed[place] ^= 1 << chance.randrange(8)
            elif way == 1:
                changed[place] = chance.choice(OPCODES)[0]
            elif way == 2:
                changed[place:place] = chance.choice(SNIPPETS) + chance.choice(CALLS)
            else:
                del changed[place : place + chance.randrange(1, 20)]
        return bytes(changed)

    def changed_file(self, number: int) -> bytes:
        """The changed checkpoint of a number: its pickle, the legacy format, or any bytes of the file."""
        from pickle_files import pack

        chance = random.Random(number)
        kind = number % 4
        if kind < 2:
            return pack(self.change_pickle(chance, self.pickle, self.borders if kind else None), self.file)
        if kind == 2:
            return self.change_pickle(chance, self.legacy_file, None)
        return change_bytes(self.file, number)

    def load(self, number: int) -> None:
        """A changed checkpoint is loaded or refused in one line."""
        import torch

        from mmseg_ext.errors import UserError

        Path("changed.pth").write_bytes(self.changed_file(number))
        try:
            torch.load("changed.pth", weights_only=number % 8 < 4)
        except UserError as error:
            expect_one_line(str(error))
            assert "changed.pth" in str(error), f"no name in {error}"
        expect_nothing_ran()


def read_config(number: int) -> None:
    """The text of a config in a checkpoint is read as values or refused in one line, never executed."""
    from mmengine.config import Config

    from mmseg_ext.errors import UserError

    chance = random.Random(number)
    text = bytearray(CONFIG)
    place = chance.choice([0, len(text), *(place + 1 for place, byte in enumerate(text) if byte in b"\n=(,[")])
    text[place:place] = chance.choice(CONFIG_CODE)
    changed = bytes(text) if number % 2 else change_bytes(bytes(text), number)
    try:
        Config.fromstring(changed.decode("utf-8", "replace"), ".py")
    except UserError as error:
        expect_one_line(str(error))
    expect_nothing_ran()


def follow_pointer(number: int) -> None:
    """Whatever ``last_checkpoint`` says, the run's own checkpoint is found, or one line says why not."""
    import torch

    from mmseg_ext.errors import UserError
    from mmseg_ext.stack import last_checkpoint

    texts = [
        b"../outside.pth",
        b"/etc/passwd",
        b"s3://bucket/x.pth",
        b"https://a/x.pth",
        b"",
        b"\0",
        b"..",
        b"iter_1.pth",
    ]
    os.makedirs("run")
    torch.save({"state_dict": {}}, "run/iter_1.pth")
    torch.save({"state_dict": {}}, "outside.pth")
    text = texts[number % len(texts)]
    Path("run/last_checkpoint").write_bytes(text if number < len(texts) else change_bytes(text * 3, number))
    try:
        found = last_checkpoint("run")
        assert found == Path("run/iter_1.pth"), f"found {found}"
    except UserError as error:
        expect_one_line(str(error))


def expect_nothing_ran() -> None:
    """Raise an error where the code in a file has left its trace."""
    assert not os.path.exists("ran"), "code of the file ran"
