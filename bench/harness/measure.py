"""What a load costs a server: processor time for each operation, the peak of its memory, what a waiting connection holds."""

import os
import subprocess
import time

from . import load, process


def counted(server, put_load):
    """Adds the server's CPU time for each operation and its peak memory to what `put_load` returns."""
    server.forget_peak()
    begin = server.cpu_ns()
    result = put_load()
    used = server.cpu_ns() - begin
    return {**result, "cpu_us": used / 1e3 / max(result["count"], 1), "peak_bytes": server.memory(process.PEAK)}


def by_wsload(server, put_load):
    """The same where the load has read the server's time itself, between its marks."""
    server.forget_peak()
    result = put_load()
    result["cpu_us"] = result.pop("cpu_ns") / 1e3 / max(result["count"], 1)
    return {**result, "peak_bytes": server.memory(process.PEAK)}


def waiting(server, count, words):
    """The growth of resident memory for each of `count` connections that `words` with `-n` open and hold, and of the kernel's buffers."""
    if process.raise_descriptor_limit(count + 100) < count + 100:
        raise load.LoadError(f"{count} connections need {count + 100} descriptors, more than the hard limit")
    # Code and tables that the first connection touches are no connection's memory.
    _hold(1, words, lambda: None)
    time.sleep(1)
    before, kernel_before = server.memory(process.NOW), process.socket_memory()
    after, kernel_after = _hold(count, words, lambda: (server.memory(process.NOW), process.socket_memory()))
    return {
        "bytes_per_connection": (after - before) / count,
        "before_bytes": before,
        "kernel_bytes": kernel_after["bytes"] - kernel_before["bytes"],
        "kernel_sockets": kernel_after["sockets"] - kernel_before["sockets"],
    }


def _hold(count, words, look):
    """What `look` sees while `count` connections are open."""
    words = [*map(str, words), "-n", str(count)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as driver:
        said = driver.stdout.readline().strip()
        # What the last answers borrowed is given back.
        time.sleep(2)
        seen = look()
        driver.stdin.close()
    if said != f"READY {count}":
        raise load.LoadError(f"{os.path.basename(words[0])}: {said or 'ended'}")
    return seen
