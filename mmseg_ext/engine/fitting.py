"""What tools/fit.py does: fit the light head of a config, and score it."""

from mmengine.config import Config

from mmseg_ext.engine.launch import is_fit, train
from mmseg_ext.errors import UserError
from mmseg_ext.features.light_head import FitReport


def fit(config: Config) -> FitReport:
    """Fit a config whose model is a FeatureSegmentor, and validate it; an earlier fit in the work dir is replaced.

    Args:
        config: From :func:`~mmseg_ext.engine.launch.load_config`.

    Raises:
        UserError: The config trains step by step, or the data are not fit to train on.
    """
    if not is_fit(config):
        raise UserError(
            f"Expected a config with train_cfg=dict(type='mmseg_ext.FitLoop'), such as those in configs/features/, got "
            f"{(config.get('train_cfg') or {}).get('type')}. Train it with tools/train.py."
        )
    config.resume = False
    return train(config, replace=True).train_loop.report
