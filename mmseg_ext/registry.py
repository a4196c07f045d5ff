"""The scope `mmseg_ext`: one child registry a kind, each with the modules that fill it.

MMEngine imports this module by itself when a config says ``type='mmseg_ext.Name'``; the components of that kind are
imported at the first look-up.
"""

from collections.abc import Callable
from typing import Any

from mmengine.registry import Registry as MMEngineRegistry
from mmseg.registry import DATA_SAMPLERS as MMSEG_DATA_SAMPLERS
from mmseg.registry import DATASETS as MMSEG_DATASETS
from mmseg.registry import HOOKS as MMSEG_HOOKS
from mmseg.registry import LOOPS as MMSEG_LOOPS
from mmseg.registry import METRICS as MMSEG_METRICS
from mmseg.registry import MODELS as MMSEG_MODELS
from mmseg.registry import OPTIM_WRAPPER_CONSTRUCTORS as MMSEG_OPTIM_WRAPPER_CONSTRUCTORS
from mmseg.registry import PARAM_SCHEDULERS as MMSEG_PARAM_SCHEDULERS
from mmseg.registry import TRANSFORMS as MMSEG_TRANSFORMS
from mmseg.registry import VISBACKENDS as MMSEG_VISBACKENDS

from mmseg_ext.arguments import checked
from mmseg_ext.stock_annotations import STOCK_ANNOTATIONS

SCOPE = "mmseg_ext"


class Registry(MMEngineRegistry):
    """A registry whose components check their arguments against the annotations, those that this package brings."""

    def register_module(self, name: Any = None, force: bool = False, module: Any = None) -> Any:
        """Register a component, as mmengine does, or return the decorator that does."""
        if module is None:
            decorator: Callable = super().register_module(name, force)
            return lambda component: decorator(self._checked(component))
        return super().register_module(name, force, self._checked(module))

    @staticmethod
    def _checked(component: Any) -> Any:
        # The annotations of other people's components were not written to be checked.
        ours = isinstance(component, type) and component.__module__.startswith(f"{SCOPE}.")
        return checked(component, corrections=STOCK_ANNOTATIONS) if ours else component


DATASETS = Registry("dataset", parent=MMSEG_DATASETS, scope=SCOPE, locations=["mmseg_ext.datasets"])
TRANSFORMS = Registry("transform", parent=MMSEG_TRANSFORMS, scope=SCOPE, locations=["mmseg_ext.transforms"])
MODELS = Registry("model", parent=MMSEG_MODELS, scope=SCOPE, locations=["mmseg_ext.models", "mmseg_ext.features"])
HOOKS = Registry("hook", parent=MMSEG_HOOKS, scope=SCOPE, locations=["mmseg_ext.engine"])
LOOPS = Registry("loop", parent=MMSEG_LOOPS, scope=SCOPE, locations=["mmseg_ext.engine"])
DATA_SAMPLERS = Registry("data sampler", parent=MMSEG_DATA_SAMPLERS, scope=SCOPE, locations=["mmseg_ext.engine"])
METRICS = Registry("metric", parent=MMSEG_METRICS, scope=SCOPE, locations=["mmseg_ext.evaluation"])
OPTIM_WRAPPER_CONSTRUCTORS = Registry(
    "optimizer wrapper constructor",
    parent=MMSEG_OPTIM_WRAPPER_CONSTRUCTORS,
    scope=SCOPE,
    locations=["mmseg_ext.engine"],
)
PARAM_SCHEDULERS = Registry(
    "parameter scheduler", parent=MMSEG_PARAM_SCHEDULERS, scope=SCOPE, locations=["mmseg_ext.engine"]
)
VISBACKENDS = Registry("vis_backend", parent=MMSEG_VISBACKENDS, scope=SCOPE, locations=["mmseg_ext.engine"])
