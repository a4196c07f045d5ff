"""What a run resumes from, and that a table says where it was resumed with another config."""

from pathlib import Path

import pytest

from mmseg_ext.engine import launch
from mmseg_ext.errors import UserError
from mmseg_ext.tables import TableOptions, write_tables
from tools.train import parse_args


@pytest.fixture
def train(tiny_config, tmp_path):
    def run(work_dir, max_iters=4, resume=False, resume_anyway=False, **options):
        options = {"train_cfg.max_iters": max_iters, **options.pop("options", {}), **options}
        config = launch.load_config(str(tiny_config), str(tmp_path / work_dir), options)
        config.custom_hooks = []
        config.default_hooks.checkpoint.interval = 2
        config.train_dataloader.dataset.pipeline[2].type = "mmseg_ext.RandomCrop"
        return launch.train(config, resume=resume, resume_anyway=resume_anyway)

    return run


@pytest.mark.parametrize(
    ("arguments", "config", "resume"),
    [
        (["a.py"], "a.py", False),
        (["a.py", "--resume"], "a.py", True),
        (["--resume", "a.py"], "a.py", True),
        (["a.py", "--resume", "x.pth"], "a.py", "x.pth"),
        (["--resume", "x.pth", "a.py"], "a.py", "x.pth"),
        (["a.py", "--resume", "--amp"], "a.py", True),
    ],
)
def test_the_flag_takes_a_file_or_none(arguments, config, resume):
    args = parse_args(arguments)
    assert (args.config, args.resume) == (config, resume)


def test_a_config_is_required(capsys):
    with pytest.raises(SystemExit):
        parse_args(["--amp"])
    assert "the following arguments are required: config" in capsys.readouterr().err


def starts(runner):
    """Read at which iteration a run was resumed, from its log."""
    text = Path(runner.logger.log_file).read_text(encoding="utf-8")
    return [int(line.rsplit("iter: ", 1)[1]) for line in text.splitlines() if "resumed epoch" in line]


def test_a_run_is_resumed_from_a_named_file_and_with_another_config_on_demand(train, tmp_path):
    train("run")
    named = str(tmp_path / "run" / "iter_2.pth")
    assert starts(train("elsewhere", 5, named)) == [2]
    with pytest.raises(UserError, match=r"found another run's .*pth in .*elsewhere"):
        train("elsewhere", 6, named)  # it would mix two runs in one folder
    assert starts(train("third", 6, str(tmp_path / "elsewhere"))) == [5]
    for missing in ("gone.pth", str(tmp_path)):
        with pytest.raises(UserError, match=r"Expected a (checkpoint file|run's checkpoint)"):
            train("fourth", 6, missing)

    labels = {"train_dataloader.dataset.labels": {"num_points": 3}}
    with pytest.raises(UserError, match=r"another one: train_dataloader\.dataset\.labels \(none → .*--resume-anyway"):
        train("run", 6, True, **labels)
    assert starts(train("run", 6, True, resume_anyway=True, **labels)) == [4]
    assert starts(train("run", 7, True, **labels)) == [6]
    with pytest.raises(UserError, match=r"Expected the weights of this config's model in .*iter_7\.pth"):
        train("run", 8, True, True, **labels, **{"model.decode_head.channels": 16})
    (path,) = write_tables([tmp_path / "run"], tmp_path, TableOptions(), formats=("md",), use_cache=False)
    assert "resumed with another config: train_dataloader.dataset.labels" in path.read_text()


def test_weights_to_begin_with_are_not_what_a_run_resumes_from(train, tmp_path):
    train("weights", 2)
    load_from = {"load_from": str(tmp_path / "weights" / "iter_2.pth")}
    assert starts(train("run", 2, True, **load_from)) == []  # there is nothing to resume: it begins
    assert starts(train("run", 4, True, **load_from)) == [2]
    config_resumes = {**load_from, "resume": True}  # mmengine then resumes from `load_from`
    assert starts(train("other", 4, **{"options": config_resumes})) == [2]
