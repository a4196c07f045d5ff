"""No package is installed by the stack itself."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from mmseg_ext.errors import UserError
from mmseg_ext.stack.replacement import is_ours, replace_everywhere


def _require_installed(package: str) -> bool:
    """Stand in for mmengine's `install_package` and `is_installed`: a package that is missing is an error."""
    from mmengine.config.utils import MODULE2PACKAGE
    from mmengine.utils.package_utils import is_installed

    if is_installed(package):
        return True
    module = next((name for name, distribution in MODULE2PACKAGE.items() if distribution == package), package)
    spec = find_spec(module)
    if spec is not None and spec.origin is not None:
        configs = Path(spec.origin).parent / ".mim" / "configs"
        hint = (
            f"{module} itself is installed, by another distribution, and `pip install {package}` would overwrite it. "
            f"Instead of '{module}::NAME' write the file: '{configs}/NAME'"
        )
    else:
        hint = f"If you want it, type: python -m pip install {package}"
    raise UserError(f"Expected the distribution '{package}', which is not installed. {hint}")


def forbid_pip_install() -> None:
    """Let ``mmengine.hub`` and ``_base_ = 'mmseg::…'`` never run pip; a `UserError` says what is missing instead."""
    install_package = import_module("mmengine.utils.package_utils").install_package
    if not is_ours(install_package):
        replace_everywhere("install_package", install_package, _require_installed)
    vars(import_module("mmengine.config.config"))["is_installed"] = _require_installed
