"""What every group of checks uses: the tally, the servers, one plain exchange of octets."""

import os
import pathlib
import re
import socket
import ssl
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator

Check = tuple[str, Callable[[], None]]
Checks = Iterator[Check]
Address = tuple[str, int]


class Failure(Exception):
    """A check that did not hold, with what was sent and what came back."""

    def __init__(self, why: str, sent: object = None, got: object = None) -> None:
        super().__init__(why)
        self.sent = sent
        self.got = got


def expect(holds: bool, why: str, sent: object = None, got: object = None) -> None:
    if not holds:
        raise Failure(why, sent, got)


def show(value: object, limit: int = 1200) -> str:
    """Octets or text for people, the middle left out when it is long."""
    text = repr(bytes(value))[2:-1] if isinstance(value, (bytes, bytearray)) else str(value)
    if len(text) > limit:
        text = f"{text[:limit * 2 // 3]} [... {len(text) - limit} more ...] {text[-limit // 3:]}"
    return text


class Tally:
    """Counts checks, and prints each that failed."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0
        self._group: tuple[str, int, int, float] | None = None
        self._failures: list[str] = []

    def group(self, name: str) -> None:
        self.close_group()
        self._group = (name, self.passed, self.failed, time.monotonic())

    def close_group(self) -> None:
        if self._group:
            name, passed, failed, begin = self._group
            print(f"{name}: {self.passed - passed} held, {self.failed - failed} did not, {time.monotonic() - begin:.1f} s", flush=True)
            self._group = None

    def run(self, name: str, function: Callable[[], None]) -> None:
        try:
            function()
        except Failure as failure:
            self.fail(name, str(failure), failure.sent, failure.got)
        except Exception:  # whatever a client library raises is a failed check, not the end of the run
            self.fail(name, traceback.format_exc().rstrip())
        else:
            self.passed += 1

    def fail(self, name: str, why: str, sent: object = None, got: object = None) -> None:
        self.failed += 1
        lines = [f"FAILED {self._group[0] + ': ' if self._group else ''}{name}: {why}"]
        if sent is not None:
            lines.append(f"  sent: {show(sent)}")
        if got is not None:
            lines.append(f"  got:  {show(got)}")
        self._failures.append("\n".join(lines))
        print(self._failures[-1])

    def summary(self) -> str:
        """Every failure once more, and the counts: whoever sees the end of a log only sees what failed."""
        return "\n".join([*self._failures[:20], "", f"{self.passed} passed, {self.failed} failed"])


class Process:
    """A server of ours, ready when its output has a line that `ready` matches."""

    def __init__(self, name: str, arguments: list[object], folder: pathlib.Path) -> None:
        self.name = name
        self.address: Address = ("127.0.0.1", 0)
        self._log = folder / f"{name}.log"
        with self._log.open("wb") as log:
            self.popen = subprocess.Popen([str(argument) for argument in arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for_line(self, pattern: str, seconds: float = 10) -> str:
        """The first group of `pattern` in the output."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.popen.poll() is None:
            found = re.search(pattern, self.output())
            if found:
                return found.group(1)
            time.sleep(0.02)
        raise Failure(f"{self.name} did not start", got=self.output())

    def wait_for_port(self, port: int, seconds: float = 10) -> bool:
        """Whether something answers at `port` while the process lives."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.popen.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return True
        return False

    def stop(self) -> None:
        if self.popen.poll() is None:
            self.popen.terminate()
            try:
                self.popen.wait(2)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()


class Servers:
    """The probe on TCP, on a Unix socket, with HTTP/2 and with TLS; Node and nginx on request."""

    probe: Process
    probe_unix: Process
    probe_h2c: Process
    probe_tls: Process

    def __init__(self, probe: pathlib.Path, folder: pathlib.Path) -> None:
        self.folder = folder
        self.unix_path = folder / "probe.sock"
        # What signed the certificate of `probe_tls`, which is for localhost, 127.0.0.1 and other.localhost.
        self.authority = folder / "authority.pem"
        self.client = probe.with_name("autobahn_client")
        self._program = probe
        self._running: list[Process] = []
        self._proxied: tuple[int, int] | None = None

    def start(self) -> None:
        self.probe = self._start("probe", [self._program, "127.0.0.1:0"])
        self.probe.address = self._address(self.probe)
        self.probe_unix = self._start("probe-unix", [self._program, f"unix:{self.unix_path}"])
        self.probe_unix.wait_for_line(r"listening on (\S+)")
        self.probe_h2c = self._start("probe-h2c", [self._program, "127.0.0.1:0", "--h2c"])
        self.probe_h2c.address = self._address(self.probe_h2c)
        certificate, key = certificates(self.folder, self.authority)
        self.probe_tls = self._start("probe-tls", [self._program, "127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key])
        self.probe_tls.address = self._address(self.probe_tls)
        # Node reads it when it begins.
        os.environ["NODE_EXTRA_CA_CERTS"] = str(self.authority)

    @property
    def probes(self) -> list[Process]:
        return [process for process in self._running if process.name.startswith("probe")]

    def url(self, path: str = "/") -> str:
        host, port = self.probe.address
        return f"http://{host}:{port}{path}"

    def h2c_url(self, path: str = "/") -> str:
        """Where HTTP/2 with prior knowledge is spoken beside HTTP/1.1."""
        host, port = self.probe_h2c.address
        return f"http://{host}:{port}{path}"

    def tls_url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"https://{host}:{self.probe_tls.address[1]}{path}"

    def tls_context(self, *protocols: str) -> ssl.SSLContext:
        """A client's, which offers these protocols by ALPN, or none."""
        context = ssl.create_default_context(cafile=str(self.authority))
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context

    def node(self) -> Address:
        """Node's http server, which tells of each request its method, target and length of content."""
        process = self._start("node", ["node", HERE / "node_server.mjs"])
        process.address = self._address(process)
        return process.address

    def websocket(self, program: str, interpreter: str) -> Process:
        """A server that judges a WebSocket client and prints what it found."""
        process = self._start(program.partition(".")[0], [interpreter, HERE / program])
        process.address = self._address(process)
        return process

    def nginx(self) -> Address:
        """nginx, which answers each request with its method and target."""
        for _ in range(5):
            # nginx cannot be asked for any free port; somebody else may take the one that was free a moment ago.
            with socket.create_server(("127.0.0.1", 0)) as taken:
                port = taken.getsockname()[1]
            prefix = self.folder / "nginx"
            prefix.mkdir(exist_ok=True)
            configuration = (HERE / "nginx.conf.in").read_text().replace("@PORT@", str(port)).replace("@PREFIX@", str(prefix))
            (prefix / "nginx.conf").write_text(configuration)
            process = self._start("nginx", ["nginx", "-p", prefix, "-c", prefix / "nginx.conf", "-e", "stderr"])
            if process.wait_for_port(port):
                process.address = ("127.0.0.1", port)
                return process.address
            process.stop()
        raise Failure("nginx did not start", got=process.output())

    def proxied_probe(self) -> tuple[int, int]:
        """The ports of one more probe: the plain one, where proxies of 127.0.0.1 are trusted, and the one for the PROXY protocol."""
        if self._proxied is None:
            process = self._start("probe-proxied", [self._program, "127.0.0.1:0", "127.0.0.1:0"])
            lines = process.wait_for_line(r"(listening on \S+\nlistening on \S+)\n").splitlines()
            plain, proxied = (int(line.rpartition(":")[2]) for line in lines)
            self._proxied = (plain, proxied)
        return self._proxied

    def proxies(self) -> dict[str, int]:
        """HAProxy and nginx in front of that probe: their ports, by what they do."""
        probe, proxied = self.proxied_probe()
        names = ("version-1", "version-2", "version-2-tlvs", "tunnel", "field", "nginx")
        for _ in range(5):
            taken = [socket.create_server(("127.0.0.1", 0)) for _ in names]
            ports = {name: free.getsockname()[1] for name, free in zip(names, taken)}
            for free in taken:
                free.close()
            values = {f"PORT{place}": port for place, port in enumerate(ports.values(), 1)}
            values |= {"PROBE": probe, "PROXIED": proxied, "PORT": ports["nginx"], "PREFIX": self.folder / "nginx-proxy"}
            (self.folder / "nginx-proxy").mkdir(exist_ok=True)
            files = {name: self._filled(f"{name}.in", values) for name in ("haproxy.cfg", "nginx_proxy.conf")}
            running = [
                self._start("haproxy", ["haproxy", "-db", "-f", files["haproxy.cfg"]]),
                self._start("nginx-proxy", ["nginx", "-p", self.folder / "nginx-proxy", "-c", files["nginx_proxy.conf"], "-e", "stderr"]),
            ]
            if running[0].wait_for_port(ports["field"]) and running[1].wait_for_port(ports["nginx"]):
                return ports
            for process in running:
                process.stop()
        raise Failure("the proxies did not start", got="".join(process.output() for process in running))

    def _filled(self, name: str, values: dict[str, object]) -> pathlib.Path:
        text = (HERE / name).read_text()
        for key, value in values.items():
            text = text.replace(f"@{key}@", str(value))
        path = self.folder / name.removesuffix(".in")
        path.write_text(text)
        return path

    def stop(self) -> None:
        for process in self._running:
            process.stop()

    def _start(self, name: str, arguments: list[object]) -> Process:
        process = Process(name, arguments, self.folder)
        self._running.append(process)
        return process

    def _address(self, process: Process) -> Address:
        host, _, port = process.wait_for_line(r"listening on (\S+)\n").rpartition(":")
        return (host, int(port))


def certificates(folder: pathlib.Path, authority: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """Makes an authority and a certificate that it signed, by openssl's program; gives the certificate's file and its key's."""
    certificate, key, authority_key = folder / "certificate.pem", folder / "key.pem", folder / "authority-key.pem"
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = "subjectAltName=DNS:localhost,DNS:other.localhost,IP:127.0.0.1"
    signed = ["-CA", authority, "-CAkey", authority_key, "-addext", names, "-addext", "basicConstraints=critical,CA:FALSE"]
    for words in (
        [*new, "-subj", "/CN=authority of the tests", "-keyout", authority_key, "-out", authority],
        [*new, "-subj", "/CN=localhost", *signed, "-keyout", key, "-out", certificate],
    ):
        done = run(words)
        expect(done.returncode == 0, "openssl made no certificate", " ".join(map(str, words)), done.stderr)
    return certificate, key


def run(arguments: list[object], seconds: float = 30, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Runs a client to its end; one that hangs is a failure."""
    words = [str(argument) for argument in arguments]
    try:
        return subprocess.run(words, input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL, capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired as expired:
        raise Failure(f"not done after {seconds} s", " ".join(words), (expired.stdout or b"") + (expired.stderr or b"")) from None


def exchange(address: Address, octets: bytes, seconds: float = 10) -> bytes:
    """Sends octets on a connection of their own and reads to the server's close."""
    received = bytearray()
    with socket.create_connection(address, seconds) as connection:
        connection.sendall(octets)
        try:
            while block := connection.recv(65536):
                received += block
        except TimeoutError:
            raise Failure(f"the server did not close within {seconds} s", octets, received) from None
        except ConnectionResetError:
            raise Failure("the connection was reset", octets, received) from None
    return bytes(received)


def get(address: Address, path: str) -> bytes:
    """One honest request, to see that the server is well."""
    octets = f"GET {path} HTTP/1.1\r\nHost: {address[0]}\r\nConnection: close\r\n\r\n".encode()
    received = exchange(address, octets)
    expect(received.startswith(b"HTTP/1.1 200 "), "an honest request was not answered 200", octets, received)
    return received


HERE = pathlib.Path(__file__).resolve().parent
