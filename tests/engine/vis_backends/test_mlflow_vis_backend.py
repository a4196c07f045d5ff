import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmseg_ext.engine.vis_backends import MLflowVisBackend
from mmseg_ext.engine.vis_backends.mlflow_vis_backend import metric_name

REASON = "MLflow is not installed: python -m pip install mlflow"
mlflow = pytest.importorskip("mlflow", reason=REASON)


def test_names_that_mlflow_refuses_cost_no_scalars():
    from mlflow.utils.validation import _validate_metric_name

    name = "IoU.bare soil, rock (dry) & Wüste's"
    with pytest.raises(mlflow.MlflowException):
        _validate_metric_name(name)
    assert metric_name(name) == "IoU.bare soil_ rock _dry_ _ Wüste_s"
    _validate_metric_name(metric_name(name))
    assert metric_name("binary/IoU") == "binary/IoU"


def test_scalars_and_pictures_are_read_back_at_their_steps(tmp_path):
    pytest.importorskip("alembic", reason=REASON)  # the small distribution of it has no database
    backend = MLflowVisBackend(str(tmp_path / "vis_data"), exp_name="tests", tracked_config_keys=["seed"])
    backend.add_config(Config({"seed": 3, "work_dir": str(tmp_path / "work")}))
    (tmp_path / "work").mkdir()
    pictures = [np.full((4, 6, 3), value, np.uint8) for value in (10, 200)]
    for step, picture in zip((4, 8), pictures, strict=True):
        backend.add_scalars({"mIoU": 10.0 * step, "IoU.bare (dry)": 1.0}, step=step)
        backend.add_scalar("lr", np.float32(0.5), step=step)
        backend.add_image("validation/a", picture, step=step)
    run_id = mlflow.active_run().info.run_id
    backend.close()
    client = mlflow.tracking.MlflowClient(f"sqlite:///{tmp_path / 'vis_data' / 'mlruns.db'}")
    assert [(m.step, m.value) for m in client.get_metric_history(run_id, "mIoU")] == [(4, 40.0), (8, 80.0)]
    assert [(m.step, m.value) for m in client.get_metric_history(run_id, "lr")] == [(4, 0.5), (8, 0.5)]
    assert [(m.step, m.value) for m in client.get_metric_history(run_id, "IoU.bare _dry_")] == [(4, 1.0), (8, 1.0)]
    assert client.get_run(run_id).data.params == {"seed": "3"}
    for step, picture in zip((4, 8), pictures, strict=True):
        (path,) = (tmp_path / "vis_data" / "mlartifacts").rglob(f"validation/a/{step:08d}.png")
        assert (np.asarray(Image.open(path)) == picture).all()
