import subprocess
import sys

GIGABYTE = 2**30


def test_the_memory_of_a_process_is_its_own_and_not_that_of_the_one_that_started_it():
    child = [sys.executable, "-c", "from tooling.bench_generating import peak_memory; print(peak_memory())"]
    held = bytearray(b"x") * GIGABYTE
    peak = int(subprocess.check_output(child))
    assert len(held) // 20 < peak < len(held)
