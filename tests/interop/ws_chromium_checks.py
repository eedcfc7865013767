"""A real browser: a page that our server served, in Chromium without a window, opens WebSockets and says what it saw.

The browser is driven through its own debugging protocol, which is JSON over a WebSocket of its.
"""

import json
import pathlib
import subprocess
import time

from harness import Checks, Failure, Servers, expect
from websockets.sync.client import ClientConnection, connect

# What the page runs: each function gives a promise of what it saw.
PAGE = """
globalThis.opened = (path, protocols) => new Promise((resolve, reject) => {
  const socket = new WebSocket(new URL(path, PROBE), protocols ?? []);
  socket.binaryType = 'arraybuffer';
  socket.onopen = () => resolve(socket);
  socket.onerror = () => reject(new Error('it did not open'));
});
globalThis.next = (socket) => new Promise((resolve, reject) => {
  socket.onmessage = (event) => resolve(event.data);
  socket.onclose = (event) => reject(new Error(`closed with ${event.code}`));
});
globalThis.ended = (socket) => new Promise((resolve) => {
  socket.onclose = ({ code, reason, wasClean }) => resolve({ code, reason, wasClean });
});
globalThis.echo = (socket, data) => { const answer = next(socket); socket.send(data); return answer; };
"""

# Name, what the page evaluates, what must come of it.
CASES = [
    ("text comes back", "(async () => await echo(await opened('/'), 'Grüße, 世界 🦀'))()", "Grüße, 世界 🦀"),
    ("octets come back", "(async () => Array.from(new Uint8Array(await echo(await opened('/'), new Uint8Array([0, 255, 128])))))()", [0, 255, 128]),
    ("a blob comes back", "(async () => new TextDecoder().decode(await echo(await opened('/'), new Blob(['blob']))))()", "blob"),
    ("the browser's deflate is agreed on", "(async () => (await opened('/')).extensions.split(';')[0])()", "permessage-deflate"),
    ("no deflate where there is none", "(async () => (await opened('/plain')).extensions)()", ""),
    *(
        (
            f"large messages come back, {path}",
            f"""(async () => {{
              const socket = await opened('{path}');
              const text = 'compress '.repeat(200_000);
              const octets = new Uint8Array(1 << 20).map((_, at) => at * 2654435761 >>> 13);
              for (let turn = 0; turn < 3; turn++) {{
                if (await echo(socket, text) !== text) return 'another text';
                const back = new Uint8Array(await echo(socket, octets));
                if (back.length !== octets.length || back.some((octet, at) => octet !== octets[at])) return 'other octets';
              }}
              return 'same';
            }})()""",
            "same",
        )
        for path in ("/", "/plain", "/takeover")
    ),
    (
        "1000 messages keep their order",
        """(async () => {
          const socket = await opened('/');
          const got = [];
          const done = new Promise((resolve) => { socket.onmessage = ({ data }) => { got.push(data); if (got.length === 1000) resolve(); }; });
          for (let at = 0; at < 1000; at++) socket.send(`message ${at}`);
          await done;
          return got.every((text, at) => text === `message ${at}`);
        })()""",
        True,
    ),
    (
        "the page closes with a code",
        "(async () => { const socket = await opened('/'); const end = ended(socket); socket.close(4000, 'enough'); const { code, wasClean } = await end; return [code, wasClean]; })()",
        [4000, True],
    ),
    (
        "the page closes without a code",
        "(async () => { const socket = await opened('/'); const end = ended(socket); socket.close(); return await end; })()",
        {"code": 1005, "reason": "", "wasClean": True},
    ),
    (
        "the server closes with a code and a reason",
        "(async () => { const socket = await opened('/close'); const end = ended(socket); socket.send('4321 ünd weg'); return await end; })()",
        {"code": 4321, "reason": "ünd weg", "wasClean": True},
    ),
    ("a subprotocol is chosen", "(async () => (await opened('/', ['soap', 'echo'])).protocol)()", "echo"),
    (
        "50 sockets at the same time",
        "Promise.all(Array.from({ length: 50 }, async (_, at) => await echo(await opened('/'), `${at}`) === `${at}`)).then((all) => all.every(Boolean))",
        True,
    ),
]

# A page of another origin that has a cookie of ours; the browser sends it along.
FOREIGN = "opened('/').then(() => 'opened', (error) => error.message)"


def checks(servers: Servers) -> Checks:
    host, port = servers.probe.address
    browser = Browser(servers.folder / "chromium")
    try:
        page = browser.page(f"http://{host}:{port}/", f"ws://{host}:{port}/")
        for name, expression, wanted in CASES:
            yield name, lambda expression=expression, wanted=wanted: same(page.evaluate(expression), wanted)

        def foreign() -> None:
            # Cookies hold for every port of a host, origins do not: Node answers there.
            other_host, other_port = servers.node()
            other = browser.page(f"http://{other_host}:{other_port}/", f"ws://{host}:{port}/")
            same(other.evaluate(FOREIGN), "opened")
            other.evaluate("document.cookie = 'session=1'")
            same(other.evaluate(FOREIGN), "it did not open")
            same(page.evaluate(FOREIGN), "opened")

        yield "a foreign page is refused as soon as there are cookies", foreign
    finally:
        browser.stop()


def same(got: object, wanted: object) -> None:
    expect(got == wanted, "the page saw something else", wanted, got)


class Browser:
    """Chromium without a window, with a profile of its own."""

    def __init__(self, profile: pathlib.Path, *options: str) -> None:
        profile.mkdir()
        self._sockets: list[ClientConnection] = []
        # --no-sandbox: root may not have one, and the only pages are ours.
        words = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
                 "--disable-component-update", "--remote-debugging-port=0", f"--user-data-dir={profile}", *options, "about:blank"]
        with (profile / "chromium.log").open("wb") as log:
            self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + 30
        while not (profile / "DevToolsActivePort").exists() or "\n" not in (profile / "DevToolsActivePort").read_text():
            if time.monotonic() > end or self._process.poll() is not None:
                self.stop()
                raise Failure("chromium did not start", got=(profile / "chromium.log").read_text(errors="replace"))
            time.sleep(0.05)
        port, path = (profile / "DevToolsActivePort").read_text().splitlines()
        self._base = f"ws://127.0.0.1:{port}"
        self._devtools = self._connect(path)

    def page(self, url: str, probe: str) -> "Page":
        target = call(self._devtools, "Target.createTarget", url="about:blank")["targetId"]
        page = Page(self._connect(f"/devtools/page/{target}"))
        page.open(url)
        page.evaluate(f"{PAGE.replace('PROBE', json.dumps(probe))}; null")
        return page

    def stop(self) -> None:
        for socket in self._sockets:
            socket.close()
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _connect(self, path: str) -> ClientConnection:
        socket = connect(self._base + path, max_size=None, compression=None, open_timeout=10)
        self._sockets.append(socket)
        return socket


class Page:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    def open(self, url: str) -> None:
        call(self._socket, "Page.enable")
        call(self._socket, "Page.navigate", url=url)
        end = time.monotonic() + 10
        while json.loads(self._socket.recv(max(end - time.monotonic(), 0.1))).get("method") != "Page.loadEventFired":
            pass
        same(self.evaluate("location.href"), url)

    def evaluate(self, expression: str) -> object:
        answer = call(self._socket, "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, timeout=15_000)
        if "exceptionDetails" in answer:
            raise Failure("the page threw", expression, answer["exceptionDetails"].get("exception", {}).get("description"))
        return answer["result"].get("value")


def call(socket: ClientConnection, method: str, **parameters: object) -> dict:
    """Calls a method of the debugging protocol; what is not its answer is passed over."""
    socket.send(json.dumps({"id": 1, "method": method, "params": parameters}))
    end = time.monotonic() + 20
    while True:
        answer = json.loads(socket.recv(max(end - time.monotonic(), 0.1)))
        if answer.get("id") == 1:
            expect("error" not in answer, f"{method} failed", parameters, answer)
            return answer["result"]
