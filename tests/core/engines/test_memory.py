import platform
import subprocess
import sys

import pytest
import torch
from understudy.core.engines.memory import shortage_named
from understudy.core.errors import OutOfMemory


def test_running_out_of_memory_is_named_however_it_shows():
    with pytest.raises(OutOfMemory, match="The window does not fit in memory"), shortage_named("The window"):
        torch.empty(2**55)  # what the allocator for CPUs raises is a mere RuntimeError
    mapping = RuntimeError("unable to mmap 20983956 bytes from file <w.safetensors>: Cannot allocate memory (12)")
    apple = RuntimeError("MPS backend out of memory (MPS allocated: 18.04 GB). Tried to allocate 256 bytes on private pool.")
    library = RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
    for error in (MemoryError(), torch.OutOfMemoryError("CUDA out of memory"), mapping, apple, library):
        with pytest.raises(OutOfMemory, match="The window"), shortage_named("The window"):
            raise error


def test_other_errors_are_left_as_they_are():
    with pytest.raises(RuntimeError, match="mat1 and mat2"), shortage_named("The window"):
        torch.ones(2, 3) @ torch.ones(2, 3)


COUNTED = """
import resource
import psutil
from understudy.core.engines.memory import freed_memory_kept

def faults():  # pages that a block of 64 MB takes anew from the system
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(2**26)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(faults())
with freed_memory_kept():
    faults()
    print(faults(), psutil.Process().memory_info().rss)
print(psutil.Process().memory_info().rss, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told what to keep")
def test_what_a_job_frees_is_kept_for_its_next_use_and_goes_back_at_its_end():
    run = subprocess.run([sys.executable, "-c", COUNTED], capture_output=True, text=True, check=True)
    anew, kept, held_in_it, held_after, anew_after = map(int, run.stdout.split())
    assert kept < anew / 4 and held_after < held_in_it - 2**25 and anew_after > anew / 2
