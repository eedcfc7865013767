"""redbot reads responses as a strict critic of HTTP: what it calls bad is a failure, the rest of its notes is advice on caching that no test asks for."""

import json

from harness import Checks, Failure, Servers, expect, run


def checks(servers: Servers) -> Checks:
    for path in ("/", "/echo", "/s204", "/s304", "/stream"):
        yield f"redbot on {path}", lambda path=path: critic(servers, path)


def critic(servers: Servers, path: str) -> None:
    words = ["redbot", "--output-format", "har", servers.url(path)]
    done = run(words, seconds=20)
    command = " ".join(words)
    try:
        entries = json.loads(done.stdout)["log"]["entries"]
    except (ValueError, KeyError) as error:
        raise Failure(f"redbot gave no report ({error!r})", command, done.stdout + done.stderr) from None
    notes = [note for entry in entries for note in entry["_red_messages"]]
    expect(done.returncode == 0 and bool(notes), f"redbot ended with status {done.returncode} and {len(notes)} notes", command, done.stdout + done.stderr)
    bad = [f"{note['note_id']}: {note['summary']}" for note in notes if note["level"] == "BAD"]
    expect(not bad, "redbot calls the response bad", command, "\n".join(bad))
