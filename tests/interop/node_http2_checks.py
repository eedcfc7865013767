"""Node's http2 module, and WebSockets of the package ws on its streams; node_http2_client.mjs has the checks and prints a line for each."""

from harness import Checks, Servers
from node_checks import checks_of


def checks(servers: Servers) -> Checks:
    for wire, url in (("h2c", servers.h2c_url()), ("TLS", servers.tls_url("/", "localhost"))):
        for name, check in checks_of("node_http2_client.mjs", url):
            yield f"{wire}: {name}", check
