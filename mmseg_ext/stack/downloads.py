"""A failed download of pretrained weights ends in one line that says what to do."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from mmseg_ext.errors import UserError
from mmseg_ext.stack.replacement import is_ours, one_line, replace_everywhere

DOWNLOAD_ERRORS = (OSError, http.client.HTTPException)
REACH_TIMEOUT = 3.0  # seconds, for each address of the host


def _is_url(text: str) -> bool:
    return text.startswith(("http://", "https://"))


def _cached_file(url: str) -> Path:
    """Where torch and mmengine keep, and look for, what they downloaded from a URL."""
    import torch

    return Path(torch.hub.get_dir(), "checkpoints", Path(urlsplit(url).path).name)


def download_error(url_or_name: str, error: BaseException) -> UserError:
    """Say in one line which weights could not be downloaded, and what to do.

    Args:
        url_or_name: A URL, or a model on the Hugging Face hub, for example 'timm/vit_small_patch16_224.dino'.
        error: What the download ended in.

    Returns:
        The error to raise.
    """
    without = "--cfg-options model.pretrained=None model.backbone.init_cfg=None"
    if _is_url(url_or_name):
        place = f"Put the file at {_cached_file(url_or_name)}"
    else:
        from huggingface_hub import constants

        folder = f"models--{url_or_name.replace('/', '--')}"
        place = f"Put the folder {folder} (elsewhere: hf download {url_or_name}) into {constants.HF_HUB_CACHE}"
        without += " (TIMMBackbone: model.backbone.pretrained=False)"
    return UserError(
        f"Could not download the weights {url_or_name} ({one_line(error)}). {place}, or name a file of yours in the "
        f"config (`checkpoint=` of the backbone, `load_from=` for a whole model), or go without: {without}"
    )


@contextmanager
def explained_download(url_or_name: str) -> Iterator[None]:
    """Turn a failed download of weights inside the block into `download_error`.

    On a machine that cannot reach the Hugging Face hub, the hub's cache is used without the long retries.
    """
    from huggingface_hub import constants

    unreachable = None if _is_url(url_or_name) else _hub_unreachable()
    offline_before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = offline_before or unreachable is not None
    try:
        yield
    except DOWNLOAD_ERRORS as error:
        raise download_error(url_or_name, unreachable or error) from error
    finally:
        constants.HF_HUB_OFFLINE = offline_before


def _hub_unreachable() -> OSError | None:
    """Try to reach the hub, unless a proxy or a setting makes that meaningless."""
    from huggingface_hub import constants

    endpoint, proxies = urlsplit(constants.ENDPOINT), getproxies()
    if constants.HF_HUB_OFFLINE or endpoint.scheme in proxies or "all" in proxies:
        return None
    port = endpoint.port or (80 if endpoint.scheme == "http" else 443)
    try:
        socket.create_connection((endpoint.hostname or "", port), timeout=REACH_TIMEOUT).close()
    except OSError as error:
        return OSError(f"{endpoint.hostname} cannot be reached: {error}")
    return None


def _load_url(url: str, *args: Any, **kwargs: Any) -> Any:
    """Stand in for mmengine's `load_url`."""
    import torch

    with explained_download(url):
        return torch.hub.load_state_dict_from_url(url, *args, **kwargs)


def explain_download_errors() -> None:
    """End a failed download of pretrained weights, by mmengine or by timm, in one line that says what to do.

    Other code wraps its own downloads in `explained_download`.
    """
    vars(import_module("mmengine.runner.checkpoint"))["load_url"] = _load_url
    stock = import_module("timm.models._builder").load_pretrained

    def load_pretrained(model: Any, pretrained_cfg: Any = None, *args: Any, **kwargs: Any) -> None:
        source = pretrained_cfg or getattr(model, "pretrained_cfg", None) or {}
        name = source.get("hf_hub_id") or source.get("url")
        if not name or source.get("file") or source.get("state_dict"):
            stock(model, pretrained_cfg, *args, **kwargs)
            return
        with explained_download(name):
            stock(model, pretrained_cfg, *args, **kwargs)

    if not is_ours(stock):
        replace_everywhere("load_pretrained", stock, load_pretrained)
