"""The package ws for Node; ws_node_client.mjs has the checks and prints a line for each."""

from harness import Checks, Servers
from node_checks import checks_of


def checks(servers: Servers) -> Checks:
    yield from checks_of("ws_node_client.mjs", servers.url())
    for name, check in checks_of("ws_node_client.mjs", servers.tls_url("/", "localhost")):
        yield f"TLS: {name}", check
