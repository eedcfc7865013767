"""Node's http module and its fetch; node_client.mjs has the checks and prints a line for each."""

import json

from harness import HERE, Checks, Failure, Servers, expect, run


def checks(servers: Servers) -> Checks:
    yield from checks_of("node_client.mjs", servers.url(), servers.unix_path)


def checks_of(program: str, *arguments: object) -> Checks:
    """The checks that a program of Node makes and prints."""
    words = ["node", HERE / program, *arguments]
    done = run(words, seconds=60)
    verdicts = [json.loads(line) for line in done.stdout.splitlines()]
    for verdict in verdicts:
        yield verdict["name"], lambda verdict=verdict: held(verdict)

    def ended() -> None:
        said = (done.stdout[-1000:] + done.stderr).decode(errors="replace")
        expect(done.returncode == 0 and len(verdicts) > 10, f"node ended with status {done.returncode} after {len(verdicts)} checks", " ".join(map(str, words)), said)

    yield "every check was made", ended


def held(verdict: dict[str, str]) -> None:
    if "failure" in verdict:
        raise Failure(verdict["failure"])
