"""Copied and moved work dirs resume from their own files and remove no others."""

import shutil

import pytest
import torch
from tiny_runs import tiny_runner

from mmseg_ext.errors import UserError
from mmseg_ext.stack import last_checkpoint


def test_a_work_dir_without_a_run(tmp_path):
    assert last_checkpoint(tmp_path) is None


@pytest.mark.parametrize(
    "stored",
    [
        "{folder}/iter_2.pth",
        "/elsewhere/iter_2.pth\n",
        "../../iter_2.pth",
        "http://example.com/iter_2.pth",
        "s3://bucket/iter_2.pth",
        "C:\\runs\\a\\iter_2.pth",
        "iter_2.pth",
    ],
)
def test_only_the_name_counts(stored, tmp_path):
    (tmp_path / "last_checkpoint").write_text(stored.format(folder=tmp_path))
    torch.save({}, tmp_path / "iter_2.pth")
    assert last_checkpoint(tmp_path) == tmp_path / "iter_2.pth"


@pytest.mark.parametrize("stored", ["", ".", "..", "../..", "vis_data", "/etc/passwd", "\0", "\udcff", "a" * 5000])
def test_what_is_not_in_the_work_dir_is_named(stored, tmp_path):
    (tmp_path / "vis_data").mkdir()
    (tmp_path / "last_checkpoint").write_bytes(stored.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=r"Expected the checkpoint .* found none") as raised:
        last_checkpoint(tmp_path)
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize("stored", ["iter_9.pth", "", None, "iter_8.pth", "iter_7.pth"])
def test_the_newest_whole_checkpoint_counts_where_the_named_one_is_lost(stored, tmp_path):
    for step in (4, 6, 10):
        torch.save({"step": step}, tmp_path / f"iter_{step}.pth")
    torch.save({"step": 11}, tmp_path / "best_mIoU_iter_11.pth")
    whole = (tmp_path / "iter_6.pth").read_bytes()
    (tmp_path / "iter_8.pth").write_bytes(whole[:-30])  # cut off
    (tmp_path / "iter_7.pth").touch()  # a full disk
    (tmp_path / "iter_10.pth").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "exported.pth").write_bytes(whole)
    if stored is not None:
        (tmp_path / "last_checkpoint").write_text(stored)
    assert last_checkpoint(tmp_path) == tmp_path / "iter_6.pth"
    (tmp_path / "iter_6.pth").unlink()
    (tmp_path / "iter_4.pth").unlink()
    assert last_checkpoint(tmp_path) == tmp_path / "best_mIoU_iter_11.pth"


def test_a_copied_run_goes_on_with_its_own_files(tmp_path):
    tiny_runner(tmp_path / "first", max_iters=2, save_best="mIoU", rule="greater", max_keep_ckpts=1).train()
    first, copy, moved = (tmp_path / name for name in ("first", "copy", "moved"))
    assert (first / "best_mIoU_iter_2.pth").is_file()
    shutil.copytree(first, copy)
    before = {path.name: path.read_bytes() for path in first.glob("*.pth")}
    settings = {"save_best": "mIoU", "rule": "greater", "max_keep_ckpts": 1}
    runner = tiny_runner(copy, max_iters=4, resume=True, **settings)
    runner.train()
    assert runner.iter == 4
    assert {path.name: path.read_bytes() for path in first.glob("*.pth")} == before
    assert {path.name for path in copy.glob("*.pth")} == {"iter_4.pth", "best_mIoU_iter_4.pth"}
    shutil.move(copy, moved)
    tiny_runner(moved, max_iters=6, resume=True, **settings).train()
    assert {path.name for path in moved.glob("*.pth")} == {"iter_6.pth", "best_mIoU_iter_6.pth"}
    assert last_checkpoint(moved) == moved / "iter_6.pth"


@pytest.mark.parametrize("stored", ["{folder}/precious", "../precious", "", "..", "/", "best_/../../precious"])
def test_a_forged_record_removes_no_other_files(stored, tmp_path):
    settings = {"save_best": "mIoU", "rule": "greater", "max_keep_ckpts": 1}
    tiny_runner(tmp_path / "run", max_iters=2, **settings).train()
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious.pth").touch()
    (tmp_path / "run" / "iter_").mkdir()
    file = tmp_path / "run" / "iter_2.pth"
    checkpoint = torch.load(file)
    record = checkpoint["message_hub"]["runtime_info"]
    assert {"best_ckpt", "keep_ckpt_ids"} <= set(record)
    record["best_ckpt"] = stored.format(folder=tmp_path)
    record["keep_ckpt_ids"] = ["/../../precious", "x"]
    torch.save(checkpoint, file)
    tiny_runner(tmp_path / "run", max_iters=4, resume=True, **settings).train()
    assert (tmp_path / "precious").is_dir()
    assert (tmp_path / "precious.pth").is_file()
    assert (tmp_path / "run" / "iter_4.pth").is_file()
