"""Warnings of the stack go into the log file, others stay on the screen."""

from fresh_python import run_python


def test_stock_warnings_go_once_into_the_log(tmp_path):
    out, err = run_python(
        """
        import sys, warnings
        from mmseg_ext import stack
        stack.prepare()
        from mmengine.logging import MMLogger, print_log
        import mmseg.datasets

        def warner(module, filename):
            namespace = {"__name__": module}
            source = "import warnings\\ndef warn(*args, **kwargs): warnings.warn(*args, **kwargs)"
            exec(compile(source, filename, "exec"), namespace)
            return namespace["warn"]

        stock = warner("mmseg.datasets.transforms.loading", "/src/mmsegmentation/mmseg/datasets/loading.py")
        other = warner("torch.functional", sys.modules["torch"].functional.__file__)
        ours = warner("mmseg_ext.datasets.loveda", sys.modules["torch"].functional.__file__)
        user = warner("projects.roofs", "/home/me/projects/roofs.py")

        warnings.simplefilter("always")
        stock("before the log", FutureWarning)
        logger = MMLogger.get_instance("run", log_file="run.log", log_level="WARNING")
        for _ in range(3):
            stock("`reduce_zero_label` will be deprecated", stacklevel=2)
            other("torch.meshgrid: in an upcoming release", FutureWarning)
        ours("ours is seen", stacklevel=3)
        ours("ours to fix", FutureWarning)
        user("the user's is seen")
        print_log("too small to print", level=10)
        print_log("printed")
        """,
        tmp_path,
    )
    log = (tmp_path / "run.log").read_text()
    for text in ("before the log", "`reduce_zero_label` will be deprecated", "torch.meshgrid"):
        assert log.count(text) == 1
        assert text not in out + err
    for text in ("ours is seen", "ours to fix", "the user's is seen"):
        assert text in err
        assert text not in log
    assert out == "printed\n"


def test_workers_write_a_warning_once(tmp_path):
    out, err = run_python(
        """
        import torch
        from mmseg_ext import stack
        stack.prepare()
        from mmengine.logging import MMLogger

        class Data(torch.utils.data.Dataset):
            def __len__(self):
                return 8
            def __getitem__(self, index):
                exec("import warnings; warnings.warn('from a worker')", {"__name__": "mmseg.datasets"})
                return index

        exec("import warnings; warnings.warn('kept')", {"__name__": "mmcv.ops"})
        MMLogger.get_instance("run", log_file="run.log")
        print(sum(map(int, torch.utils.data.DataLoader(Data(), num_workers=2, multiprocessing_context="fork"))))
        """,
        tmp_path,
    )
    log = (tmp_path / "run.log").read_text()
    assert (log.count("from a worker"), log.count("kept")) == (1, 1)
    assert (out, err) == ("28\n", "")


def test_warnings_without_a_later_one_reach_the_log(tmp_path):
    run_python(
        """
        from mmseg_ext import stack
        stack.prepare()
        exec("import warnings; warnings.warn('kept')", {"__name__": "mmcv.ops"})
        from mmengine.logging import MMLogger
        MMLogger.get_instance("run", log_file="run.log")
        """,
        tmp_path,
    )
    assert (tmp_path / "run.log").read_text().count("kept") == 1
