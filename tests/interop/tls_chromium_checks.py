"""Chromium over TLS: a page, its requests and its WebSockets over HTTP/2, and WebSockets over HTTP/1.1 where there is no such connection."""

from harness import Checks, Servers
from ws_chromium_checks import CASES, Browser, same

# The certificate's authority is nobody's that the browser knows.
TRUSTING = ("--ignore-certificate-errors",)

# Name, what the page evaluates, what must come of it.
REQUESTS = [
    ("the page came over HTTP/2", "performance.getEntriesByType('navigation')[0].nextHopProtocol", "h2"),
    (
        "a request goes over HTTP/2",
        """(async () => {
          const text = await (await fetch('/version?fetched')).text();
          return [text, performance.getEntriesByType('resource').find(({ name }) => name.includes('fetched')).nextHopProtocol];
        })()""",
        ["HTTP/2.0", "h2"],
    ),
    (
        "200 requests at the same time",
        "Promise.all(Array.from({ length: 200 }, async (_, at) => await (await fetch('/' + at, { method: 'POST', body: `body ${at}` })).text() === `body ${at}`)).then((all) => all.every(Boolean))",
        True,
    ),
    (
        "an upload of 8 MiB comes back",
        """(async () => {
          const octets = new Uint8Array(8 << 20).map((_, at) => at * 2654435761 >>> 13);
          const back = new Uint8Array(await (await fetch('/', { method: 'POST', body: octets })).arrayBuffer());
          return back.length === octets.length && !back.some((octet, at) => octet !== octets[at]);
        })()""",
        True,
    ),
    (
        # Browsers do this over HTTP/2 alone.
        "an upload as a stream",
        """(async () => {
          let at = 0;
          const body = new ReadableStream({ async pull(controller) {
            await new Promise((resume) => setTimeout(resume, 5));
            if (at < 10) controller.enqueue(new TextEncoder().encode(`piece ${at++}, `)); else controller.close();
          } });
          return await (await fetch('/', { method: 'POST', body, duplex: 'half' })).text();
        })()""",
        "".join(f"piece {at}, " for at in range(10)),
    ),
    (
        "a response as a stream",
        """(async () => {
          const reader = (await fetch('/stream')).body.pipeThrough(new TextDecoderStream()).getReader();
          let text = '';
          for (let piece; !(piece = await reader.read()).done;) text += piece.value;
          return text;
        })()""",
        "stream",
    ),
    (
        "requests that are given up leave the others alone",
        """(async () => {
          const kept = fetch('/', { method: 'POST', body: new Uint8Array(1 << 20) });
          for (let at = 0; at < 20; at++) {
            const giving = new AbortController();
            const request = fetch('/', { method: 'POST', body: new Uint8Array(1 << 20), signal: giving.signal });
            setTimeout(() => giving.abort(), at % 5);
            await request.then((response) => response.arrayBuffer()).catch(() => {});
          }
          return (await (await kept).arrayBuffer()).byteLength;
        })()""",
        1 << 20,
    ),
    (
        "cookies",
        "(async () => { document.cookie = 'a=1'; document.cookie = 'b=2'; return await (await fetch('/cookie')).text(); })()",
        "a=1\nb=2\n",
    ),
    (
        "204, 304 and 405",
        "(async () => { const of = async (path, method) => (await fetch(path, { method })).status; return [await of('/s204', 'GET'), await of('/s304', 'GET'), await of('/', 'DELETE')]; })()",
        [204, 304, 405],
    ),
]

VERSION = "(async () => await next(await opened('/version')))()"


def checks(servers: Servers) -> Checks:
    port = servers.probe_tls.address[1]
    browser = Browser(servers.folder / "chromium-tls", *TRUSTING)
    try:
        page = browser.page(f"https://localhost:{port}/", f"wss://localhost:{port}/")
        for name, expression, wanted in REQUESTS:
            yield name, lambda expression=expression, wanted=wanted: same(page.evaluate(expression), wanted)

        yield "a WebSocket goes over the HTTP/2 connection of the page (RFC 8441)", lambda: same(page.evaluate(VERSION), "HTTP/2.0")
        for name, expression, wanted in CASES:
            yield f"over HTTP/2: {name}", lambda expression=expression, wanted=wanted: same(page.evaluate(expression), wanted)
        yield "after all of them WebSockets still go over HTTP/2", lambda: same(page.evaluate(VERSION), "HTTP/2.0")

        # A page from elsewhere has no connection to this name: the browser opens one for HTTP/1.1.
        plain = browser.page(servers.url(), f"wss://127.0.0.1:{port}/")
        yield "without an HTTP/2 connection a WebSocket goes over HTTP/1.1", lambda: same(plain.evaluate(VERSION), "HTTP/1.1")
        for name, expression, wanted in CASES[:4]:
            yield f"over HTTP/1.1: {name}", lambda expression=expression, wanted=wanted: same(plain.evaluate(expression), wanted)
    finally:
        browser.stop()
