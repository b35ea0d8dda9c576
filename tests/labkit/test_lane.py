"""The lane follows from what is there, and its reasons say so."""

import pytest

from labkit.lane import Signs, detect_lane
from labkit.messages import LearnerMessage

GPU = ("NVIDIA H100 80GB HBM3",)


def lane(signs, asked="auto", environ=None):
    return detect_lane(asked, lambda: signs, environ or {})


def test_a_gpu_with_the_cuda_build_is_the_cuda_lane():
    found = lane(Signs(GPU, "0.32.0", None))
    assert (found.name, found.dtype, found.gpu) == ("cuda", "float16", GPU[0])
    assert "H100" in str(found)


def test_a_gpu_without_the_cuda_build_is_the_cpu_lane_and_says_why():
    found = lane(Signs(GPU, None, "0.32.0"))
    assert found.name == "cpu"
    assert "CUDA build of vLLM is not installed" in str(found)


def test_no_gpu_is_the_cpu_lane():
    assert lane(Signs((), None, "0.32.0")).dtype == "float32"


def test_the_environment_variable_counts_and_a_parameter_counts_more():
    signs = Signs(GPU, "0.32.0", "0.32.0")
    assert lane(signs, environ={"LANE": "cpu"}).name == "cpu"
    assert lane(signs, asked="cuda", environ={"LANE": "cpu"}).name == "cuda"


@pytest.mark.parametrize(("asked", "signs"), [("tpu", Signs((), None, None)), ("cuda", Signs((), "0.32.0", None))])
def test_a_lane_that_cannot_be_has_a_next_step(asked, signs):
    with pytest.raises(LearnerMessage, match="→"):
        lane(signs, asked=asked)
