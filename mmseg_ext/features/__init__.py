"""What a frozen network sees: features, the cache on disk, and light heads that are fitted in seconds."""

from mmseg_ext.features.extra_trees import ExtraTrees
from mmseg_ext.features.feature_segmentor import FeatureSegmentor
from mmseg_ext.features.light_head import LightHead
from mmseg_ext.features.logistic_regression import LogisticRegression
from mmseg_ext.features.multilayer_perceptron import MultilayerPerceptron
from mmseg_ext.features.no_network import NoNetwork

__all__ = ["ExtraTrees", "FeatureSegmentor", "LightHead", "LogisticRegression", "MultilayerPerceptron", "NoNetwork"]
