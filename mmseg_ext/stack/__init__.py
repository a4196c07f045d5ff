"""Makes the installed OpenMMLab stack safe.

The stock packages import only with compiled ops, install packages by themselves, run code that lies in a checkpoint,
answer a missing network with a long traceback, and print much; torch's threads crawl beside another busy process.
`prepare` fixes this for the running process; every command calls it first. Importing this package changes nothing and
loads nothing heavy.
"""

from mmseg_ext.stack.compiled_ops import MissingOpError, install_ops_stand_in
from mmseg_ext.stack.config_text import parse_checkpoint_configs, read_dumped_config
from mmseg_ext.stack.downloads import download_error, explain_download_errors, explained_download
from mmseg_ext.stack.missing_weights import explain_missing_weights
from mmseg_ext.stack.openmp_threads import limit_spinning
from mmseg_ext.stack.own_checkpoints import best_checkpoint, keep_to_own_checkpoints, last_checkpoint
from mmseg_ext.stack.pip_install import forbid_pip_install
from mmseg_ext.stack.printable_logs import keep_logs_printable
from mmseg_ext.stack.safe_checkpoints import read_checkpoint_meta, safe_checkpoints
from mmseg_ext.stack.saved_checkpoints import remove_leftovers, save_whole_checkpoints
from mmseg_ext.stack.stock_warnings import quiet, write_kept_warnings

__all__ = [
    "MissingOpError",
    "best_checkpoint",
    "download_error",
    "explain_download_errors",
    "explain_missing_weights",
    "explained_download",
    "forbid_pip_install",
    "install_ops_stand_in",
    "keep_logs_printable",
    "keep_to_own_checkpoints",
    "last_checkpoint",
    "limit_spinning",
    "parse_checkpoint_configs",
    "prepare",
    "quiet",
    "read_checkpoint_meta",
    "read_dumped_config",
    "remove_leftovers",
    "safe_checkpoints",
    "save_whole_checkpoints",
    "write_kept_warnings",
]


def prepare(trust_checkpoint: bool = False) -> None:
    """Make the stack safe; call it before mmseg or mmdet are imported. A second call changes nothing.

    Args:
        trust_checkpoint: Let checkpoints run the code they hold. The last call decides.
    """
    limit_spinning()
    quiet()
    keep_logs_printable()
    install_ops_stand_in()
    forbid_pip_install()
    safe_checkpoints(trust=trust_checkpoint)
    parse_checkpoint_configs()
    keep_to_own_checkpoints()
    save_whole_checkpoints()
    explain_download_errors()
    explain_missing_weights()
