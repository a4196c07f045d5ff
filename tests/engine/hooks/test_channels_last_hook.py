import copy

import torch


def test_the_weights_are_laid_out_and_mean_the_same(run_tiny, tmp_path):
    ours = run_tiny(tmp_path / "a", [{"type": "mmseg_ext.ChannelsLastHook"}]).model.eval()
    kernels = [p for p in ours.parameters() if p.dim() == 4 and p.shape[2:].numel() > 1 and p.shape[1] > 1]
    assert kernels
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in kernels)
    usual = copy.deepcopy(ours).to(memory_format=torch.contiguous_format)
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours(images), usual(images), atol=1e-5, rtol=1e-4)


def test_a_resumed_run_is_laid_out_too(run_tiny, tmp_path):
    hooks = [{"type": "mmseg_ext.ChannelsLastHook"}]
    run_tiny(tmp_path / "a", hooks)
    resumed = run_tiny(tmp_path / "a", hooks, resume=True, **{"train_cfg.max_iters": 6})
    kernel = resumed.model.backbone.layer1[0].conv1.weight
    assert kernel.is_contiguous(memory_format=torch.channels_last)
