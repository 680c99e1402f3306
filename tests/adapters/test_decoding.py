"""Types are decoded by many threads, from the first time on: a process that starts must not end there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import canary

PROGRAM = """
import sys, threading
import msgspec
from canary.adapters.decoding import {how}
from canary.adapters.istio.objects import VirtualService

THREADS = 8
route = {{"route": [{{"destination": {{"host": "x"}}, "weight": 1}}]}}
value = {{"metadata": {{"name": "a", "namespace": "b"}}, "spec": {{"hosts": ["a"], "http": [route]}}}}
asked = value if "{how}" == "convert" else msgspec.json.encode(value)
begin, found = threading.Barrier(THREADS), []

def run():
    begin.wait()
    for _ in range(50):
        found.append({how}(asked, VirtualService).metadata.name)

sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=run) for _ in range(THREADS)]
[each.start() for each in threads]
[each.join() for each in threads]
print(len(found), *set(found))
"""


@pytest.mark.parametrize("how", ["decode", "convert"])
def test_threads_that_are_the_first_to_decode_a_type_at_once_do_not_end_the_process(how: str) -> None:
    """By msgspec alone nearly every try of this ends with a segmentation fault."""
    program = PROGRAM.format(how=how)
    argv = [sys.executable, "-c", program]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout.strip()) == (0, "400 a"), ended.stderr


def test_nobody_decodes_a_type_in_another_way() -> None:
    unsafe = re.compile(r"msgspec\.(convert\(|(json|msgpack|yaml)\.decode\([^)]*type=|json\.Decoder)")
    root = Path(canary.__file__).parent
    found = {str(path.relative_to(root)) for path in root.rglob("*.py") if unsafe.search(path.read_text())}
    assert found == {"adapters/decoding.py"}
