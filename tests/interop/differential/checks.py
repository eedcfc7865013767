"""Differential parsing: every case goes to wireline, Node, nginx and h11, and judge.py compares."""

import asyncio
import itertools
import os
import re
from collections import defaultdict

from differential import cases, corpus, judge
from differential import mutated as mutations
from differential.peers import CANARY, H11, End, Nginx, Node, Outcome, Peer, Probe
from harness import HERE, Checks, Failure, Servers, expect

# Seconds of silence after which a server is held to wait for more; the second figure is for a case that failed with the first, as a busy machine
# may be silent for other reasons.
QUIET = 0.4
PATIENT = 3.0

# Cases at the same time, and mutated ones that are held at once.
PARALLEL = 24
BATCH = 1000


def checks(servers: Servers) -> Checks:
    written = cases.requests()
    collected = {f"corpus/{name}": octets for name, octets in corpus.requests(HERE.parent / "corpus" / "http1").items()}
    # The probe opens WebSockets and the others do not; of another protocol, an upgrade is to be ignored by all of them.
    everything = {name: re.sub(rb"(?i)\bwebsocket\b", b"othername", octets) for name, octets in (written | collected).items()}
    wireline = Peer("wireline", servers.probe.address, Probe)
    others = [Peer("node", servers.node(), Node), Peer("nginx", servers.nginx(), Nginx), H11()]
    outcomes = asyncio.run(all_outcomes([wireline, *others], everything, QUIET))
    again = {name: everything[name] for name, found in outcomes.items() if findings(everything[name], found)}
    outcomes |= asyncio.run(all_outcomes([wireline, *others], again, PATIENT))

    yield "the cases were read", lambda: expect(len(written) >= 150 and len(collected) >= 100, f"{len(written)} cases of our own, {len(collected)} of the corpus")
    for name, accepts in CONTROLS.items():
        yield f"control: {name}", lambda name=name, accepts=accepts: control(outcomes[name], accepts)
    for name, found in outcomes.items():
        yield name, lambda name=name, found=found: verdict(everything[name], found)
    inform(outcomes)
    yield "mutated cases", lambda: mutated(wireline, others, list(everything.values()))


def mutated(wireline: Peer, others: list[Peer | H11], seeds: list[bytes]) -> None:
    """As many mutations as are asked for, in batches: none is read in two ways, and none is accepted by wireline alone."""
    count, seed = int(os.environ.get("WIRELINE_DIFFERENTIAL", 400)), int(os.environ.get("WIRELINE_SEED", 1))
    cases, failed, accepted = mutations.requests(seeds, count, seed), [], 0
    while batch := dict(itertools.islice(cases, BATCH)):
        batch = {name: re.sub(rb"(?i)\bwebsocket\b", b"othername", octets) for name, octets in batch.items()}
        outcomes = asyncio.run(all_outcomes([wireline, *others], batch, QUIET))
        again = {name: batch[name] for name, found in outcomes.items() if wrong(batch[name], found)}
        outcomes |= asyncio.run(all_outcomes([wireline, *others], again, PATIENT))
        failed += [name for name, found in outcomes.items() if wrong(batch[name], found)]
        accepted += sum(found["wireline"].end is End.CANARY for found in outcomes.values())
        for name in failed[:1]:
            verdict(batch[name], outcomes[name])
    print(f'''{{"row": "R4", "what": "mutated requests over sockets to wireline, nginx, Node and h11", "figure": {count}, "limit": 1000000, "facts": {{"accepted to the end by wireline": {accepted}}}}}''')


Outcomes = dict[str, Outcome]


async def all_outcomes(peers: list[Peer | H11], requests: dict[str, bytes], quiet: float) -> dict[str, Outcomes]:
    slots = asyncio.Semaphore(PARALLEL)

    async def one(octets: bytes) -> Outcomes:
        async with slots:
            found = await asyncio.gather(*(peer.outcome(octets, quiet) for peer in peers))
        return {peer.name: outcome for peer, outcome in zip(peers, found)}

    found = await asyncio.gather(*(one(octets) for octets in requests.values()))
    return dict(zip(requests, found))


def findings(octets: bytes, found: Outcomes) -> list[str]:
    ours = found["wireline"]
    others = {name: outcome for name, outcome in found.items() if name != "wireline"}
    told = [f"wireline and {name} disagree: {difference}" for name, theirs in others.items() if (difference := judge.disagreement(ours, theirs, [*others.values()]))]
    if judge.alone(ours, list(others.values())):
        told.append("wireline alone accepts")
    # HTTP/1.0 connections may be kept or not, as each likes; HTTP/1.1 ones close for a reason.
    if b"HTTP/1.0" not in octets and judge.goes_on(ours, list(others.values())):
        told.append("wireline alone goes on after the close of a connection")
    return told + breaches(ours)


def wrong(octets: bytes, found: Outcomes) -> list[str]:
    """Findings, but for one peer that refuses where another one reads as wireline does: no two that accept then see another end."""
    ours, others = found["wireline"], [outcome for name, outcome in found.items() if name != "wireline"]
    sides = [other for other in others if other.end is ours.end and len(other.messages) == len(ours.messages)]
    lone = {name for name, theirs in found.items() if name != "wireline" and theirs.end is End.REFUSED and sides and theirs not in sides}
    told = findings(octets, found)
    # A method that none of the others knows is a token and no fault; no handler runs for it.
    last = ours.responses[judge.accepted(ours) - 1] if ours.responses else None
    if told == ["wireline alone accepts"] and last and last.status == 405:
        return []
    return told and findings(octets, {name: outcome for name, outcome in found.items() if name not in lone})


def breaches(ours: Outcome) -> list[str]:
    """What no response of wireline may be, whatever it answers."""
    told = []
    for place, response in enumerate(ours.responses):
        if response.malformed or response.cut:
            told.append(f"response {place + 1} is malformed: {response.malformed or 'cut short'}")
        if b"date" not in response.fields:
            told.append(f"response {place + 1} has no Date")
        if response.status >= 500 and response.status not in (501, 505):
            told.append(f"response {place + 1} has status {response.status}")
        if (response.refuses or response.closes) and place + 1 < len(ours.responses):
            told.append(f"response {place + 1} closes the connection, and there are {len(ours.responses)}")
        if response.refuses and not response.closes:
            told.append(f"response {place + 1} refuses without `Connection: close`")
    return told


def verdict(octets: bytes, found: Outcomes) -> None:
    told = findings(octets, found)
    if told:
        got = [f"\n    {name:9}{outcome}" for name, outcome in found.items()]
        got.append(f"\n    wireline's octets: {found['wireline'].received[:2000]!r}")
        raise Failure("; ".join(told), octets + CANARY, "".join(got))


def control(found: Outcomes, accepts: int) -> None:
    """A plain case that every peer must understand: were one deaf, nothing could be told from its silence."""
    for name, outcome in found.items():
        expect(len(outcome.messages) == accepts and outcome.end is End.CANARY, f"{name} {outcome}")


def inform(outcomes: dict[str, Outcomes]) -> None:
    """Where wireline is the stricter one, by who is not."""
    lenient = defaultdict(list)
    for name, found in outcomes.items():
        ours = found["wireline"]
        who = [other for other, theirs in found.items() if other != "wireline" and judge.stricter(ours, theirs)]
        if who:
            lenient[", ".join(who)].append(name.removeprefix("corpus/") + f" ({ours.status or 'closed'})")
    total = sum(map(len, lenient.values()))
    print(f"  {len(outcomes)} cases; in {total} wireline refuses what another accepts:")
    for who, names in sorted(lenient.items()):
        cases = sorted(set(names))
        print(f"    accepted by {who}: {', '.join(cases) if VERBOSE else len(cases)}")


# Set to anything, it lists the cases that others accept.
VERBOSE = os.environ.get("WIRELINE_VERBOSE")

# Case, messages before the canary.
CONTROLS = {"get": 1, "get-two": 2, "post-length": 1, "post-chunked": 1, "mixed": 4, "ten": 10, "get-with-length": 1, "post-hides-get": 1}
