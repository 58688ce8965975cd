"""The worker's own side, where the parent cannot see it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import psutil
from understudy.core.engines.interface import FrameReady, Noted, PreviewReady, StepDone
from understudy.server.messages import Frame, Note, Pipe, Preview, Ready, Step
from understudy.server.worker_main import as_message, choose_device

NOISY = """
import os, subprocess, sys
from understudy.server.messages import Ready
from understudy.server.worker_main import take_standard_streams
pipe = take_standard_streams()
print("from python", flush=True)
os.write(1, b"from C\\n")
subprocess.run([sys.executable, "-c", "print('from a child')"])
assert sys.stdin.read() == ""
pipe.send(Ready("cpu", "float32"))
"""

ORPHAN = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-P", "-m", "understudy.server.worker_main", "--parent", {parent!r}],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.read(8)
print(child.pid, flush=True)
time.sleep(60)
"""


def test_stray_prints_go_to_the_log_and_not_into_the_conversation():
    process = subprocess.Popen(
        [sys.executable, "-c", NOISY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with process:
        assert Pipe(process.stdout, process.stdin).receive() == Ready("cpu", "float32")
        assert process.stdout.read() == b""
        log = process.stderr.read().decode()
    assert process.returncode == 0, log
    for line in ("from python", "from C", "from a child"):
        assert line in log


def test_the_child_ends_with_its_parent():
    script = ORPHAN.replace("{parent!r}", "str(__import__('os').getpid())")
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    child.wait(timeout=5)


def test_the_child_ends_when_the_pipe_does():
    command = [sys.executable, "-P", "-m", "understudy.server.worker_main", "--parent", str(psutil.Process().pid)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert isinstance(Pipe(child.stdout, child.stdin).receive(), Ready)
        child.stdin.close()
        assert child.wait(timeout=5) == 0


def test_the_user_may_choose_the_device(monkeypatch):
    monkeypatch.setenv("UNDERSTUDY_DEVICE", "cuda:1")
    assert choose_device() == "cuda:1"
    monkeypatch.delenv("UNDERSTUDY_DEVICE")
    assert choose_device() in ("cpu", "cuda", "mps")


def test_progress_keeps_its_pixels_even_from_a_view():
    image = np.arange(2 * 3 * 6, dtype=np.uint8).reshape(2, 6, 3)[:, ::2]
    assert as_message(StepDone(1, 2)) == Step(1, 2)
    assert as_message(Noted("Decoding in full")) == Note("Decoding in full")
    assert as_message(PreviewReady(1, image)) == Preview(3, 2, image.copy().tobytes(), 1)
    assert as_message(FrameReady(4, image)) == Frame(3, 2, image.copy().tobytes(), 4)
