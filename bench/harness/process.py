"""A server under test: starting and stopping it, what it has used, pinning."""

import os
import re
import resource
import shlex
import signal
import socket
import subprocess
import tempfile
import time

PEAK, NOW = "VmHWM", "VmRSS"


def raise_descriptor_limit(wanted=0):
    """As many descriptors as the hard limit gives, for the children too; root raises that one as well where more are wanted. Returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return wanted
        except (OSError, ValueError):
            pass
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def pinned(core, command):
    return ["taskset", "-c", str(core), *command] if core is not None else list(command)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A started server that accepts connections. Use it in a `with` statement."""

    def __init__(self, name, command, *, workers=1, core=None, wrap=(), patience=20, scheme="http", **places):
        self.name, self.port, self.scheme = name, free_port(), scheme
        words = shlex.split(command.format(port=self.port, workers=workers, **places))
        self._log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            pinned(core, [*wrap, *words]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._log,
        )
        deadline = time.monotonic() + patience
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"{name} ended with status {self.process.returncode}: {self._said()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    self.stop()
                    raise RuntimeError(f"{name} never listened: {self._said()}") from None
                time.sleep(0.05)
        time.sleep(0.2)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def alive(self):
        return self.process.poll() is None

    def stop(self, patience=3):
        """Asks with SIGTERM, insists with SIGKILL. Returns whether asking was enough."""
        family = tree(self.process.pid)
        polite = True
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                polite = False
                self.process.kill()
                self.process.wait()
        for child in family[1:]:
            try:
                os.kill(child, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return polite

    def cpu_ns(self):
        """Nanoseconds on a core, user and system, of every live thread of the process and its children."""
        total = 0
        for pid in tree(self.process.pid):
            for text in _per_thread(pid, "schedstat"):
                total += int(text.split()[0])
        return total

    def memory(self, key):
        """Resident bytes of the process and its children, `NOW` or `PEAK`."""
        total = 0
        for pid in tree(self.process.pid):
            found = re.search(key + r":\s+(\d+) kB", _read(f"/proc/{pid}/status"))
            total += int(found[1]) * 1024 if found else 0
        return total

    def forget_peak(self):
        """From here on `PEAK` begins anew."""
        for pid in tree(self.process.pid):
            try:
                with open(f"/proc/{pid}/clear_refs", "w") as file:
                    file.write("5")
            except OSError:
                pass

    def _said(self):
        self._log.seek(0)
        return self._log.read().decode(errors="replace").strip()[-300:]


class Nodes(Server):
    """Two of them with a broker of their own between, which is on the load's core. What they use is what both use."""

    def __init__(self, name, command, *, core=None, **places):
        self.broker = free_port()
        words = ["redis-server", "--port", str(self.broker), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._folder = tempfile.TemporaryDirectory()
        self._redis = subprocess.Popen(
            pinned(1 - core if core is not None else None, words), cwd=self._folder.name, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        self.second = None
        try:
            self._wait_for_broker()
            self.second = Server(name, command, core=core, broker=self.broker, **places)
            super().__init__(name, command, core=core, broker=self.broker, **places)
        except RuntimeError:
            self._end()
            raise

    def _wait_for_broker(self, patience=10):
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.broker), 1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError("redis-server never listened")

    def alive(self):
        return super().alive() and self.second.alive()

    def stop(self, patience=3):
        polite = super().stop(patience)
        self._end()
        return polite

    def _end(self):
        if self.second is not None:
            self.second.stop()
        self._redis.kill()
        self._redis.wait()
        self._folder.cleanup()

    def cpu_ns(self):
        return super().cpu_ns() + self.second.cpu_ns()

    def memory(self, key):
        return super().memory(key) + self.second.memory(key)

    def forget_peak(self):
        super().forget_peak()
        self.second.forget_peak()


def tree(pid):
    """The process and all its descendants."""
    found, todo = [], [pid]
    while todo:
        current = todo.pop()
        found.append(current)
        for text in _per_thread(current, "children"):
            todo += map(int, text.split())
    return found


def socket_memory():
    """Bytes the kernel holds for TCP buffers on the whole machine, and TCP sockets in use, from /proc/net/sockstat."""
    line = re.search(r"^TCP: inuse (\d+) .* mem (\d+)", _read("/proc/net/sockstat"), re.M)
    return {"sockets": int(line[1]), "bytes": int(line[2]) * resource.getpagesize()}


def _per_thread(pid, name):
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    return [text for thread in threads if (text := _read(f"/proc/{pid}/task/{thread}/{name}"))]


def _read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""
