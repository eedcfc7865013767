"""Figures that a busy machine hardly moves: user instructions and system calls for each request, as slopes between a short and a long run.

What happens once (start-up, the connections) drops out of a slope.
"""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from . import process


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
        return collected(*(os.path.join(folder, file) for file in os.listdir(folder)))


def collected(*logs):
    """What callgrind says in these files that it has counted."""
    found = []
    for path in logs:
        with open(path) as file:
            found += map(int, re.findall(r"Collected : (\d+)", file.read()))
    if not found:
        raise NotMeasurable("callgrind collected nothing: the server did not end when asked")
    return sum(found)


def system_calls(server, put_load, requests, traced=False):
    """System calls for each request of a server that runs: the sum and the calls above 0.005 by name. By perf, which the server does not feel.

    `traced` counts by strace, which flatters: while a call is traced the next request arrives, so that waits are rarer.
    """
    counted = _strace if traced else _perf
    short, long = requests, 4 * requests
    few, many = (counted(server, put_load, requests) for requests in (short, long))
    rates = {name: (number - few.get(name, 0)) / (long - short) for name, number in many.items()}
    return {
        "method": "strace, which flatters" if traced else "perf",
        "sum": rates.pop(SUM),
        "by_name": {name: round(rate, 3) for name, rate in rates.items() if rate > 0.005},
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


def _perf(server, put_load, requests):
    pids = ",".join(map(str, process.tree(server.process.pid)))
    events = [f"raw_syscalls:{SUM}", *(f"syscalls:{SUM}_{name}" for name in NAMED)]
    known = _tracepoints()
    events = [event for event in events if known is None or event in known]
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
    found = {event.split(":")[1]: int(count) for count, event in re.findall(r"^(\d+),[^,]*,([^,]+),", text, re.M)}
    return {event.removeprefix(f"{SUM}_"): count for event, count in found.items()}


def _strace(server, put_load, requests):
    pids = [word for pid in process.tree(server.process.pid) for word in ("-p", str(pid))]
    with tempfile.NamedTemporaryFile("r") as out:
        words = ["strace", "-c", "-f", "-U", "calls,name", "-o", out.name, *pids]
        with subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as tracer:
            # It says so of each process, with its threads, when it has it.
            for _ in pids[::2]:
                if "attached" not in (said := tracer.stderr.readline()):
                    tracer.kill()
                    raise NotMeasurable(f"strace: {said.strip()}")
            try:
                put_load(server, requests)
            finally:
                tracer.send_signal(signal.SIGINT)
                tracer.communicate(timeout=20)
        text = out.read()
    found = {name: int(count) for count, name in re.findall(r"^ *(\d+) +([a-z]\w*)", text, re.M)}
    if "total" not in found:
        raise NotMeasurable("strace counted nothing")
    return {SUM if name == "total" else name: count for name, count in found.items()}


def _tracepoints():
    for root in ("/sys/kernel/tracing", "/sys/kernel/debug/tracing"):
        try:
            with open(os.path.join(root, "available_events")) as file:
                return set(file.read().split())
        except OSError:
            pass
    return None


# The tracepoint of all of them, and what the sum of all is called here.
SUM = "sys_enter"
NAMED = [
    "epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl", "recvfrom", "recvmsg", "read", "readv", "sendto", "sendmsg", "write", "writev",
    "futex", "ioctl", "timerfd_settime", "clock_gettime", "sched_yield", "madvise",
]
