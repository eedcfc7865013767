"""Figures that a busy machine hardly moves: user instructions and system calls for each request, as slopes between a short and a long run.

What happens once (start-up, the connections) drops out of a slope.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time

from . import load, process


class NotMeasurable(RuntimeError):
    """The figure cannot be had on this machine."""


def instructions(name, command, put_load, requests, places, scheme="http"):
    """User instructions for each request, under callgrind. Kernel work is not in it; `rep stos` counts more than it costs."""
    short, long = requests, 4 * requests
    many, few = (_collected(name, command, put_load, count, places, scheme) for count in (long, short))
    return (many - few) / (long - short)


def _collected(name, command, put_load, requests, places, scheme):
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "log")
        wrap = [
            "valgrind",
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--trace-children=yes",
            f"--log-file={log}.%p",
        ]
        with process.Server(name, command, core=0, wrap=wrap, patience=60, scheme=scheme, **places) as server:
            put_load(server, requests)
            # The end of the load's connections belongs to both runs.
            time.sleep(0.3)
            server.stop(patience=20)
        logs = [open(os.path.join(folder, file)).read() for file in os.listdir(folder)]
    found = [int(number) for text in logs for number in re.findall(r"Collected : (\d+)", text)]
    if not found:
        raise NotMeasurable("callgrind collected nothing: the server did not end when asked")
    return sum(found)


def system_calls(server, put_load, requests):
    """System calls for each request of a server that runs natively, by perf: the sum and the calls above 0.005 by name."""
    events = ["raw_syscalls:sys_enter", *(f"syscalls:sys_enter_{name}" for name in NAMED)]
    known = _tracepoints()
    events = [event for event in events if known is None or event in known]
    short, long = requests, 4 * requests
    few, many = (_perf(server, events, put_load, count) for count in (short, long))
    rates = {event: (many[event] - few[event]) / (long - short) for event in events if event in few and event in many}
    by_name = {event.removeprefix("syscalls:sys_enter_"): rate for event, rate in rates.items() if ":sys_enter_" in event}
    return {
        "method": "perf",
        "sum": rates["raw_syscalls:sys_enter"],
        "by_name": {name: round(rate, 3) for name, rate in by_name.items() if rate > 0.005},
    }


def perf_works():
    """Why perf cannot count system calls here, or None when it can."""
    if not shutil.which("perf"):
        return "perf is not installed"
    done = subprocess.run(
        ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "--", "true"], capture_output=True, text=True
    )
    found = re.match(r"(\d+),", done.stderr)
    if found and int(found[1]) > 0:
        return None
    return (done.stderr.strip().splitlines() or ["perf stat printed nothing"])[0]


def _perf(server, events, put_load, requests):
    pids = ",".join(map(str, process.tree(server.process.pid)))
    with tempfile.NamedTemporaryFile("r") as out:
        with subprocess.Popen(
            ["perf", "stat", "-x,", "-o", out.name, "-e", ",".join(events), "-p", pids, "--", "cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as counter:
            # perf starts `cat` when it counts: its echo says so.
            counter.stdin.write(b"x\n")
            counter.stdin.flush()
            counter.stdout.readline()
            try:
                put_load(server, requests)
            finally:
                counter.stdin.close()
                counter.wait()
        text = out.read()
    return {event: int(count) for count, event in re.findall(r"^(\d+),[^,]*,([^,]+),", text, re.M)}


def traced_calls(name, command, put_load, requests, places, scheme="http"):
    """System calls for each request under strace. It flatters: while a call is traced the next request arrives, so that waits are rarer."""
    with tempfile.TemporaryDirectory() as folder:
        counts = []
        for count in (requests, 4 * requests):
            log = os.path.join(folder, "log")
            wrap = ["strace", "-f", "-qq", "-c", "-U", "calls,name", "-o", log]
            with process.Server(name, command, wrap=wrap, patience=30, scheme=scheme, **places) as server:
                put_load(server, count)
                # The traced server must end first, so that strace writes its table.
                for pid in process.tree(server.process.pid)[1:2]:
                    os.kill(pid, 15)
                server.process.wait(20)
            with open(log) as file:
                counts.append(int(re.search(r"^\s*(\d+)\s+total", file.read(), re.M)[1]))
    return {"method": "strace, which flatters", "sum": (counts[1] - counts[0]) / (3 * requests), "by_name": {}}


def _tracepoints():
    for root in ("/sys/kernel/tracing", "/sys/kernel/debug/tracing"):
        try:
            with open(os.path.join(root, "available_events")) as file:
                return set(file.read().split())
        except OSError:
            pass
    return None


NAMED = [
    "epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl", "recvfrom", "recvmsg", "read", "readv", "sendto", "sendmsg", "write", "writev",
    "futex", "ioctl", "timerfd_settime", "clock_gettime", "sched_yield", "madvise",
]
