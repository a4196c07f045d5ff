"""What torch.save writes passes the check; pickles that call things with arguments of their own do not."""

import argparse
import io
import pickle
import zipfile
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from pickle_files import pack, save, unpack
from torch import nn

from mmseg_ext.errors import UserError
from mmseg_ext.stack.checkpoint_check import check_checkpoint, dry_run
from mmseg_ext.stack.pickle_stand_ins import ForbiddenGlobalError

HEAD = b"\x80\x02"
FLOAT_TYPE = b"cnumpy\ndtype\nX\x02\x00\x00\x00f8\x85R"
EIGHT_BYTES = b"c_codecs\nencode\nX\x08\x00\x00\x00AAAAAAAAX\x06\x00\x00\x00latin1\x86R"
EMPTY_ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85X\x01\x00\x00\x00btR"
STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQ"
HOOKS = b"ccollections\nOrderedDict\n)R"


def tensor_pickle(offset=b"K\x00", size=b"K\x02\x85", stride=b"K\x01\x85", grad=b"\x89", hooks=HOOKS):
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + offset + size + stride + grad + hooks + b"tR"


def parameter_with_attribute():
    parameter = nn.Parameter(torch.ones(3))
    parameter.group = "bias"
    return parameter


def tensor_with_attribute():
    tensor = torch.ones(4)
    tensor.names_of_rows = ["a"]
    return tensor


def optimizer_state():
    model = nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters(), amsgrad=True)
    torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=9)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return optimizer.state_dict()


VALUES = {
    "numbers": [1, -1, 2**100, 2.5, 1 + 2j, True, None],
    "text": ["a", "\u6c34\U0001f333", b"a\xff", bytearray(b"b\xfe"), ("", b"")],
    "containers": {"a": {1, 2}, (1, "b"): [(), [], {}]},
    "counter": Counter([500, 500, 900]),
    "torch": [torch.Size([1, 2]), torch.device("cpu"), torch.float16],
    "strided": torch.arange(12).view(3, 4)[1:, ::2],
    "no elements": torch.empty(0, 3),
    "scalar": torch.tensor(2.0),
    "types": [torch.ones(2).to(kind) for kind in (torch.bfloat16, torch.float16, torch.uint8, torch.complex64)],
    "shared": [torch.arange(6)[:3]] * 2,
    "parameter": nn.Parameter(torch.ones(2)),
    "parameter with attribute": parameter_with_attribute(),
    "tensor with attribute": tensor_with_attribute(),
    "state dict": nn.BatchNorm1d(2).state_dict(),
    "optimizer": optimizer_state(),
    "numpy scalars": [np.float32(0.5), np.int64(3), np.bool_(True)],
    "numpy arrays": [np.arange(6).reshape(2, 3).T, np.ones((0, 2)), np.ones(2, complex), np.ones(2, np.uint8)],
    "namespace": argparse.Namespace(lr=0.1, layers=[1, 2]),
}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("name", VALUES)
def test_what_torch_saves_is_loaded_as_without_the_check(name, legacy):
    file = save(VALUES[name], legacy)
    loaded = torch.load(io.BytesIO(file))
    assert repr(loaded) == repr(VALUES[name])
    assert getattr(loaded, "__dict__", None) == getattr(VALUES[name], "__dict__", None)


def test_log_buffers_are_loaded():
    buffer = HistoryBuffer()
    buffer.update(1.0)
    buffer.update(3.0)
    loaded = torch.load(io.BytesIO(save({"loss": buffer})))["loss"]
    assert loaded.statistics("mean") == 2
    assert loaded.data[0].tolist() == [1, 3]


def test_checkpoints_of_either_numpy_are_loaded():
    file = save({"best": np.float32(0.5), "history": np.arange(3)})
    stream = unpack(file)
    old, new = b"numpy.core.multiarray", b"numpy._core.multiarray"
    assert (old in stream) != (new in stream)
    other = stream.replace(new, old) if new in stream else stream.replace(old, new)
    loaded = torch.load(io.BytesIO(pack(other, file)))
    assert (loaded["best"], loaded["history"].tolist()) == (0.5, [0, 1, 2])


def test_the_position_in_a_file_is_kept():
    for legacy in (False, True):
        file = io.BytesIO(save(torch.ones(2), legacy))
        check_checkpoint(file)
        assert file.tell() == 0


@pytest.mark.parametrize(
    "stream",
    [
        b"cnumpy\nndarray\n(K\x01\x85cnumpy\ndtype\nX\x01\x00\x00\x00O\x85R" + EIGHT_BYTES + b"tR",
        b"cnumpy\nndarray\n(K\x01\x85" + FLOAT_TYPE + EIGHT_BYTES + b"tR",
        b"cnumpy\nndarray\n)\x81",
        b"cnumpy\ndtype\nX\x01\x00\x00\x00O\x85R",
        b"cnumpy\ndtype\nX\x02\x00\x00\x00V8\x85R",
        FLOAT_TYPE + b"(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x3ftb",
        EMPTY_ARRAY + b"(K\x01K\x02\x85" + FLOAT_TYPE + b"\x89" + EIGHT_BYTES + b"tb",
        EMPTY_ARRAY + b"(K\x01K\x01\x85" + FLOAT_TYPE + b"\x89]Nab",
        b"cnumpy.core.multiarray\nscalar\n" + FLOAT_TYPE + b"X\x01\x00\x00\x00a\x86R",
        tensor_pickle(size=b"K\x03\x85"),
        tensor_pickle(offset=b"K\x01"),
        tensor_pickle(stride=b"J\xff\xff\xff\xff\x85"),
        tensor_pickle(stride=b"K\x02\x85"),
        tensor_pickle(size=b"K\x01K\x02\x86"),
        tensor_pickle(hooks=b"N"),
        tensor_pickle(hooks=HOOKS + b"K\x01K\x01s"),
        tensor_pickle(grad=b"K\x02"),
        b"ctorch._utils\n_rebuild_parameter_with_state\n("
        + tensor_pickle()
        + b"\x89"
        + HOOKS
        + b"}X\x04\x00\x00\x00dataNstR",
        b"ctorch\nTensor\n)\x81",
        b"ctorch.storage\nUntypedStorage\nK\x05\x85R",
        HOOKS + b"}X\x04\x00\x00\x00copyNsb",
        b"cmmengine.logging.history_buffer\nHistoryBuffer\n)\x81}X\x12\x00\x00\x00statistics_methods}X\x03\x00\x00\x00minNssb",
        b"cmmengine.logging.history_buffer\nHistoryBuffer\n)\x81}X\x06\x00\x00\x00updateNsb",
        b"c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R",
        b"c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00hex\x86R",
        b"ccollections\nOrderedDict\n)\x81",
        b"cnumpy\nndarray\n",
        b"ccollections\nOrderedDict\n",
        b"Nr\xff\xff\xff\x7f",
        b"]q\x00h\x00a",
        b"N" + b"\x85" * 200,
        b"N" + b"\x85" * 100_000,
        b"N0N",
        b"Vtext\n",
        b"(X\x06\x00\x00\x00moduleNNNtQ",
        b"X\x01\x00\x00\x000Q",
        b"R",
        b"h\x07",
        b"X\xff\xff\xff\xffa",
        b"",
    ],
)
def test_other_arguments_are_refused(stream):
    with pytest.raises(UserError, match=r"Expected weights in a checkpoint, got something else or a damaged file"):
        torch.load(io.BytesIO(pack(HEAD + stream + b".")))


def test_a_tensor_within_its_storage_is_loaded():
    assert torch.load(io.BytesIO(pack(HEAD + tensor_pickle() + b"."))).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("posix", "system"),
        ("__builtin__", "eval"),
        ("torch", "load"),
        ("torch.storage", "_load_from_bytes"),
        ("torch._utils", "_rebuild_sparse_tensor"),
        ("numpy", "load"),
    ],
)
def test_other_globals_are_named(module, name):
    stream = HEAD + f"c{module}\n{name}\n.".encode()
    with pytest.raises(ForbiddenGlobalError, match=f"{module.replace('__builtin__', 'builtins')}.{name}"):
        dry_run(io.BytesIO(stream))


@pytest.mark.parametrize("opcode", [b"ios\nsystem\n", b"(cos\nsystem\no", b"\x82\x01", b"P0\n", b"\x93", b"\x92"])
def test_other_ways_to_name_a_global_are_refused(opcode):
    with pytest.raises(pickle.UnpicklingError, match="unsupported opcode"):
        dry_run(io.BytesIO(HEAD + opcode + b"."))


@pytest.mark.parametrize("opcode", [b"X\xff\xff\xff\xff", b"\x8e\xff\xff\xff\xff\xff\x00\x00\x00"])
def test_forged_lengths_allocate_nothing(opcode):
    class Watched(io.BytesIO):
        def read(self, size=-1):
            assert size < 1000
            return super().read(size)

    with pytest.raises(ValueError, match="bytes"):
        dry_run(Watched(HEAD + opcode + b"a."))


def test_sizes_that_do_not_fit_are_refused():
    file = save(torch.ones(1000))
    larger = unpack(file).replace(b"M\xe8\x03", b"M\xe8\x7f")
    with pytest.raises(UserError, match="4000 bytes for a storage of"):
        torch.load(io.BytesIO(pack(larger, file)))
    legacy = save(torch.ones(1000), legacy=True)
    for damaged in (legacy[:-4], legacy.replace(b"M\xe8\x03", b"M\xe8\x7f")):
        with pytest.raises(UserError, match="the end of the file is missing"):
            torch.load(io.BytesIO(damaged))


def test_a_torch_that_tells_no_sizes_checks_them_too(monkeypatch):
    file = save(torch.ones(1000))
    larger = pack(unpack(file).replace(b"M\xe8\x03", b"M\xe8\x7f"), file)
    reader = torch._C.PyTorchFileReader

    def as_in_torch_2_11(stream):
        found = reader(stream)
        return SimpleNamespace(get_all_records=found.get_all_records, get_record=found.get_record)

    monkeypatch.setattr(torch._C, "PyTorchFileReader", as_in_torch_2_11)
    check_checkpoint(io.BytesIO(file))
    with pytest.raises(pickle.UnpicklingError, match="4000 bytes for a storage of"):
        check_checkpoint(io.BytesIO(larger))


def test_a_compressed_file_that_grows_is_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("archive/data.pkl", b"\x80\x02N.")
        bomb.writestr("archive/data/0", bytes(1 << 22))
        bomb.writestr("archive/version", "3\n")
    buffer.seek(0)
    with pytest.raises(UserError, match="bytes of content in a file of"):
        torch.load(buffer)
