from __future__ import annotations

import pytest
import torch

from monai_cwmi.benchmark.memory import peak_memory

MB = 1_000_000


def _peak_of_three(device: str) -> object:
    """Holds 4, 12, 8 and 12 MB at its moments."""
    first = torch.empty(4 * MB, dtype=torch.uint8, device=device)
    second = torch.empty(8 * MB, dtype=torch.uint8, device=device)
    del first
    third = torch.empty(4 * MB, dtype=torch.uint8, device=device)
    return second, third


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
class TestPeakMemory:
    @pytest.fixture(autouse=True)
    def _skip_without_gpu(self, device: str) -> None:
        if device == "cuda" and not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")

    def test_of_allocations_and_releases(self, device: str) -> None:
        # A GPU hands out multiples of 512 bytes, and of 2 MB when they are large.
        assert peak_memory(lambda: _peak_of_three(device), device) == pytest.approx(12 * MB, rel=1e-3)

    def test_of_a_backward_pass(self, device: str) -> None:
        x = torch.zeros(MB, device=device, requires_grad=True)  # 4 MB

        def step() -> object:
            value = x.exp()  # kept for the backward pass
            return torch.autograd.grad(value.sum(), x)  # its product with ones that are expanded, not stored

        assert peak_memory(step, device) == pytest.approx(8 * MB, rel=1e-3)

    def test_what_was_held_before_does_not_count(self, device: str) -> None:
        held = [torch.zeros(2 * MB, device=device)]
        assert peak_memory(lambda: held[0].sum(), device) < MB // 100
        assert peak_memory(held.clear, device) == 0

    def test_a_failing_step_raises_and_the_next_is_measured(self, device: str) -> None:
        def fail() -> None:
            raise RuntimeError("no memory")

        with pytest.raises(RuntimeError, match="no memory"):
            peak_memory(fail, device)
        assert peak_memory(lambda: torch.empty(MB, dtype=torch.uint8, device=device), device) >= MB
