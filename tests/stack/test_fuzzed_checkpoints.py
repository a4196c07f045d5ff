"""Damaged and forged checkpoints: no crash, no code, one line."""

from fresh_python import ROOT, run_python

FUZZ = """
import io, os, pickletools, random, sys, warnings
sys.path.insert(0, os.environ["TESTS"])
import numpy as np
import torch
from mmseg_ext import stack
from mmseg_ext.errors import UserError
stack.prepare()
from mmengine.logging import HistoryBuffer
from pickle_files import pack, save, unpack

GLOBALS = [f"c{module}\\n{name}\\n".encode() for module, name in (
    ("posix", "system"), ("__builtin__", "eval"), ("__builtin__", "getattr"), ("_codecs", "encode"),
    ("collections", "OrderedDict"), ("numpy", "ndarray"), ("numpy", "dtype"), ("numpy.core.multiarray", "scalar"),
    ("numpy.core.multiarray", "_reconstruct"), ("torch", "Tensor"), ("torch", "float32"), ("torch", "FloatStorage"),
    ("torch.storage", "UntypedStorage"), ("torch", "FloatTensor"), ("torch._utils", "_rebuild_tensor_v2"),
    ("torch._utils", "_rebuild_sparse_tensor"), ("torch._utils", "_rebuild_qtensor"),
    ("torch._tensor", "_rebuild_from_type_v2"), ("torch.nn.parameter", "Parameter"),
    ("mmengine.logging.history_buffer", "HistoryBuffer"))]
CALLS = [b")R", b")\\x81", b"}b", b"K\\x05\\x85R", b"(t\\x81", b"(K\\x01tR", b"NQ", b"(tQ", b""]
RUN = b"X\\x09\\x00\\x00\\x00touch ran"
CODE = [
    b"cposix\\nsystem\\n" + RUN + b"\\x85R", b"(" + RUN + b"iposix\\nsystem\\n",
    b"(cposix\\nsystem\\n" + RUN + b"o", RUN + b"\\x8c\\x05posix\\x8c\\x06system\\x93" + RUN + b"\\x85R",
    b"\\x82\\x01", b"\\x83\\x01\\x00", b"P" + RUN + b"\\n"]
SNIPPETS = GLOBALS + CALLS + CODE + [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]

buffer = HistoryBuffer()
buffer.update(1.0)
model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
optimizer = torch.optim.AdamW(model.parameters())
model(torch.ones(4, 3)).sum().backward()
optimizer.step()
content = dict(state_dict=model.state_dict(), optimizer=optimizer.state_dict(), meta=dict(seed=np.int64(3)),
    message_hub=dict(log_scalars={"train/loss": buffer}, runtime_info={"best_score": np.float32(1)}))
new, old = save(content), save(content, legacy=True)
stream = unpack(new)
borders = [position for _, _, position in pickletools.genops(stream)]

def change(random, data, places):
    data = bytearray(data)
    for _ in range(random.choice([1, 1, 2, 4])):
        place = random.choice(places) if places else random.randrange(len(data))
        place = min(place, len(data) - 1)
        way = random.randrange(4)
        if way == 0:
            data[place] ^= 1 << random.randrange(8)
        elif way == 1:
            data[place] = random.choice(pickletools.opcodes).code.encode("latin-1")[0]
        elif way == 2:
            data[place:place] = random.choice(SNIPPETS) + random.choice(CALLS)
        else:
            del data[place : place + random.randrange(1, 20)]
    return bytes(data)

loaded = refused = 0
for number in range(400):
    chance = random.Random(number)
    kind = number % 4
    if kind < 2:
        file = pack(change(chance, stream, borders if kind else None), new)
    elif kind == 2:
        file = change(chance, old, None)
    else:
        file = bytearray(new)
        for _ in range(chance.choice([1, 3, 20])):
            file[chance.randrange(len(file))] ^= 1 << chance.randrange(8)
        file = bytes(file[: chance.randrange(len(file))] if chance.random() < 0.3 else file)
    with open("last.pth", "wb") as last:  # what to look at when the process dies
        last.write(file)
    try:
        torch.load("last.pth", weights_only=chance.random() < 0.5)
        loaded += 1
    except UserError as error:
        assert "last.pth" in str(error) and "\\n" not in str(error)
        refused += 1
print(loaded, refused)
"""


def test_no_crash_no_code_one_line(tmp_path):
    out, _ = run_python(FUZZ, tmp_path, env={"TESTS": str(ROOT / "tests" / "stack")})
    loaded, refused = map(int, out.split())
    assert loaded + refused == 400
    assert min(loaded, refused) > 10
    assert not (tmp_path / "ran").exists()
