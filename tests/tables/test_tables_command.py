"""The command: what it prints, what it writes, its exit status; the cache behind it."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from made_logs import STAMP, MadeRun

from mmseg_ext.tables import make_tables, print_tables, read_runs
from mmseg_ext.tables.command import main
from mmseg_ext.tables.row_cache import RowCache, default_folder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def work_dirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    MadeRun(name="fcn_loveda").write(tmp_path / "work_dirs")
    MadeRun(name="upernet_loveda", scores=((100, 50.0), (200, 55.25))).write(tmp_path / "work_dirs")
    return tmp_path / "work_dirs"


def test_prints_and_writes_here(work_dirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    out = capsys.readouterr().out
    assert "loveda: 2 runs, best first by best mIoU" in out
    assert out.index("upernet_loveda") < out.index("fcn_loveda")
    assert "written: loveda_scores.md" in out
    assert "55.25 @ 200" in (work_dirs.parent / "loveda_scores.md").read_text()


def test_all_files(work_dirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["work_dirs", "--out", "tables", "--csv", "--json", "--html", "--per-class"]) == 0
    assert "IoU per class" in capsys.readouterr().out
    assert sorted(os.listdir("tables")) == [
        "all_scores.html",
        "loveda_scores.csv",
        "loveda_scores.json",
        "loveda_scores.md",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing"], "which does not exist"),
        (["empty"], "No run found: expected"),
        (["work_dirs", "--sort", "colour"], "Expected a column, one of config"),
        (["work_dirs", "--metric", "mDice"], "Expected --metric to be one of"),
        (["work_dirs", "--baseline", "nothing"], "Expected --baseline"),
        (["work_dirs", "--filter", "nothing"], "No row of 2 meets"),
        (["work_dirs", "--out", "file"], "Cannot write"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    work_dirs: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    (work_dirs.parent / "empty").mkdir()
    (work_dirs.parent / "file").write_text("")
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_no_run_found_says_where_it_looked(work_dirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work_dirs.parent / "empty").mkdir()
    assert main(["empty"]) == 2
    assert str(work_dirs.parent / "empty") in capsys.readouterr().err


def test_a_bad_run_never_hides_the_others(work_dirs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = work_dirs / "broken_loveda" / STAMP
    folder.mkdir(parents=True)
    (folder / f"{STAMP}.log").write_bytes(b"")
    assert main(["--filter", "state=unfinished"]) == 0
    assert main([]) == 0
    out = capsys.readouterr().out
    assert "broken_loveda" in out
    assert "unfinished" in out
    assert "upernet_loveda" in out


def test_narrow_screens_leave_columns_out_and_name_them(work_dirs: Path) -> None:
    file = io.StringIO()
    print_tables(make_tables(read_runs([work_dirs])), file, width=80)
    text = file.getvalue()
    assert all(len(line) <= 80 for line in text.splitlines())
    assert "upernet_loveda" in text
    assert "55.25" in text
    assert "not shown on this width: memory" in text


def test_names_are_not_taken_for_markup(tmp_path: Path) -> None:
    (tmp_path / "[bold red]x_loveda.json").write_text(MadeRun().scalars())
    file = io.StringIO()
    print_tables(make_tables(read_runs([tmp_path])), file)
    assert "[bold red]x_loveda" in file.getvalue()


def test_names_that_are_no_text_are_printed_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    work_dir = os.fsdecode(b"work_dirs/fcn\xe9\x1b[31m_loveda")
    MadeRun(name="x").write(tmp_path / work_dir)
    (tmp_path / work_dir / "x").rename(tmp_path / work_dir / STAMP)
    (tmp_path / work_dir / STAMP / "x.py").unlink()
    for path in (tmp_path / work_dir / STAMP / STAMP).iterdir():
        path.rename(tmp_path / work_dir / STAMP / path.name)
    assert main(["--html", "--csv", "--json"]) == 0
    assert "fcn??[31m_loveda" in capsys.readouterr().out


def test_help_and_tables_need_neither_torch_nor_mmengine(work_dirs: Path) -> None:
    code = (
        "import sys; from mmseg_ext.tables.command import main; status = main(['work_dirs', '--html']);"
        "print(status, sorted({'torch', 'mmengine', 'mmcv', 'numpy', 'mmseg'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=work_dirs.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.splitlines()[-1] == "0 []"


def test_help_imports_next_to_nothing() -> None:
    code = (
        "import sys; before = set(sys.modules); sys.argv = ['extract_tables.py', '--help']\n"
        "from mmseg_ext.tables.command import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    print(end.code)\n"
        "print(sorted({name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))\n"
        "print(sorted({'ast', 'csv', 'json', 'statistics'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert result.stdout.splitlines()[-3:] == ["0", "['mmseg_ext']", "[]"]


def test_script(work_dirs: Path) -> None:
    script = [sys.executable, str(ROOT / "extract_tables.py")]
    result = subprocess.run([*script, "work_dirs"], capture_output=True, text=True, check=True)
    assert "55.25 @ 200" in result.stdout
    result = subprocess.run([*script, "nowhere"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)


def test_the_cache_serves_unchanged_files_and_sees_changed_ones(
    work_dirs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> list[float]:
        cache = RowCache([work_dirs])
        return [run.evaluations[-1].metrics["mIoU"] for run in read_runs([work_dirs], cache=cache)]

    from mmseg_ext.tables import run_reading

    opened: list[str] = []
    for name in ("read_json_log", "read_text_log"):
        read_log = getattr(run_reading, name)
        monkeypatch.setattr(
            run_reading,
            name,
            lambda path, wanted, read_log=read_log: opened.append(path.name) or read_log(path, wanted),
        )
    assert read() == [42.5, 55.25]
    assert sorted(opened) == [f"{STAMP}.log"] * 2 + ["scalars.json"] * 2
    opened.clear()
    assert read() == [42.5, 55.25]
    assert opened == []
    path = work_dirs / "fcn_loveda" / STAMP / "vis_data" / "scalars.json"
    status = path.stat()
    path.write_text(path.read_text().replace('"mIoU": 42.5', '"mIoU": 43.5'))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # same size, same time of change
    assert read() == [43.5, 55.25]
    assert opened == ["scalars.json"]


def test_the_cached_runs_equal_the_read_ones(work_dirs: Path) -> None:
    MadeRun(name="old_loveda").write(work_dirs, text=False)
    (work_dirs / "psp.log.json").write_text(MadeRun(name="psp_loveda", with_class_scalars=True).old_json())
    now = time.time()
    first = read_runs([work_dirs], cache=RowCache([work_dirs]), now=now)
    second = read_runs([work_dirs], cache=RowCache([work_dirs]), now=now)
    assert first == second == read_runs([work_dirs], now=now)


def test_a_broken_cache_is_not_used(work_dirs: Path) -> None:
    reference = read_runs([work_dirs], cache=RowCache([work_dirs]))
    (path,) = default_folder().iterdir()
    whole = path.read_bytes()
    texts = [b"", b"{}", b"[]", b"1", b'{"a": 1, "b": [1, 2]}', whole[:-9], gzip.compress(b"[1, 2]"), b"[" * 10**5]
    for content in (*texts, gzip.compress(gzip.decompress(whole).replace(b'"loveda"', b"[]      "))):
        path.write_bytes(content)
        assert read_runs([work_dirs], cache=RowCache([work_dirs])) == reference


def test_a_cache_that_cannot_be_written_is_no_error(work_dirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(work_dirs / "fcn_loveda" / "fcn_loveda.py"))
    assert main([]) == 0
