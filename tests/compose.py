#!/usr/bin/env python3
"""deploy/compose.yaml without containers: the same commands, variables and files, each service in a network of its own.

    tests/compose.py PATH/TO/wireline      needs root for the namespaces, redis-server, redis-cli and nginx

What is not the same: the images, whose programs are those of this machine and the one that is given, and the limits of a container
other than its rights, its descriptors (as many as this machine has) and its read-only files. Ends with 0 when every step went as the file promises.
"""

import asyncio
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

import websockets
import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
DEPLOY = os.path.join(HERE, "..", "deploy")
NAME = f"wlc{os.getpid()}"
PATIENCE = 30


def main():
    binary = os.path.abspath(sys.argv[1])
    with open(os.path.join(DEPLOY, "compose.yaml")) as file:
        services = yaml.safe_load(file)["services"]
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        cluster = Cluster(services, binary, folder)
        try:
            cluster.up()
            cluster.inside(lambda: asyncio.run(steps(cluster)))
        finally:
            cluster.down()
    print("compose: every step went as it should")


class Cluster:
    """The services, each a process in its own network namespace, with a bridge between them."""

    def __init__(self, services, binary, folder):
        self.services, self.binary, self.folder = services, binary, folder
        self.spaces, self.running = [], {}

    def space(self, name):
        space = f"{NAME}-{name}"
        ip("netns", "add", space)
        self.spaces.append(space)
        ip("-n", space, "link", "set", "lo", "up")
        return space

    def up(self):
        bridge = self.space("bridge")
        ip("-n", bridge, "link", "add", "br0", "type", "bridge")
        ip("-n", bridge, "link", "set", "br0", "up")
        places = {name: service["networks"]["inside"]["ipv4_address"] for name, service in self.services.items()}
        # Who comes from outside; compose would send localhost:8000 on to nginx.
        places["outside"] = "10.0.0.1"
        for number, (name, place) in enumerate(places.items()):
            space = self.space(name)
            ip("-n", bridge, "link", "add", f"v{number}", "type", "veth", "peer", "name", "eth0", "netns", space)
            ip("-n", bridge, "link", "set", f"v{number}", "master", "br0", "up")
            ip("-n", space, "addr", "add", f"{place}/24", "dev", "eth0")
            ip("-n", space, "link", "set", "eth0", "up")
        for name in self.services:
            self.begin(name)

    def begin(self, name):
        """Starts a service when those that it depends on are there, as compose would."""
        if name in self.running:
            return
        service = self.services[name]
        wants = service.get("depends_on", {})
        for other in wants:
            self.begin(other)
            if isinstance(wants, dict) and wants[other]["condition"] == "service_healthy":
                self.healthy(other)
        self.start(name)

    def start(self, name):
        service, before = self.services[name], []
        command = service.get("command")
        environment = {"PATH": os.environ["PATH"], **service.get("environment", {})}
        if service["image"].startswith("wireline:"):
            command = [self.binary, *command]
        elif service["image"].startswith("redis:"):
            # As the image has it compiled in: the network is its own.
            command = [*command, "--protected-mode", "no"]
        elif service["image"].startswith("nginx:"):
            command, before = self.nginx(service)
        if service.get("read_only"):
            before += ["mount --bind / /", "mount -o remount,bind,ro /"]
        # As many as the file says, or as this machine lets anybody have.
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        limit = min(most, service.get("ulimits", {}).get("nofile", most))
        words = ["prlimit", f"--nofile={limit}:{limit}"]
        rights = []
        if service.get("cap_drop") == ["ALL"]:
            # The user of the image.
            rights = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set", "-all"]
        if "no-new-privileges:true" in service.get("security_opt", []):
            rights.append("--no-new-privs")
        script = "\n".join(["set -e", *before, 'exec "$@"'])
        words += ["ip", "netns", "exec", f"{NAME}-{name}", "sh", "-c", script, "sh", *rights, *command]
        log = open(os.path.join(self.folder, f"{name}.log"), "ab")
        self.running[name] = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder)

    def nginx(self, service):
        """The file where compose mounts it, and folders of its own for what nginx writes."""
        [(source, target, mode)] = [volume.split(":") for volume in service["volumes"]]
        before = []
        for place in ["/var/log/nginx", "/var/lib/nginx", "/run"]:
            os.makedirs(os.path.join(self.folder, "nginx" + place), exist_ok=True)
            before.append(f"mount --bind {self.folder}/nginx{place} {place}")
        before.append(f"mount --bind -o {mode} {os.path.join(DEPLOY, source)} {target}")
        return ["nginx", "-c", target, "-g", "daemon off;"], before

    def healthy(self, name):
        check = self.services[name]["healthcheck"]
        kind, *words = check["test"]
        assert kind == "CMD", kind
        for _ in range(PATIENCE):
            asked = subprocess.run(["ip", "netns", "exec", f"{NAME}-{name}", *words], capture_output=True)
            if asked.returncode == 0 and b"PONG" in asked.stdout:
                return
            time.sleep(0.2)
        raise AssertionError(f"{name} is not healthy")

    def stop(self, name):
        """As `docker compose stop`: SIGTERM, and SIGKILL after the grace that the file gives. Says how it ended."""
        process = self.running[name]
        process.send_signal(signal.SIGTERM)
        grace = int(self.services[name].get("stop_grace_period", "10s").rstrip("s"))
        return process.wait(grace)

    def log(self, name):
        with open(os.path.join(self.folder, f"{name}.log"), errors="replace") as file:
            return file.read()

    def inside(self, code):
        """Runs code in the network of who comes from outside."""
        with open("/proc/self/ns/net") as own, open(f"/run/netns/{NAME}-outside") as other:
            enter(other)
            try:
                code()
            except BaseException:
                for name in self.services:
                    print(f"--- {name}\n{self.log(name)}", file=sys.stderr)
                raise
            finally:
                enter(own)

    def down(self):
        for process in self.running.values():
            if process.poll() is None:
                process.kill()
                process.wait()
        for space in self.spaces:
            subprocess.run(["ip", "netns", "del", space])


async def steps(cluster):
    front = "10.0.0.10"
    await until(lambda: ready(front) == (200, "up"))
    print("nginx leads to nodes that are ready, with the broker")

    # Both nodes have some: nginx gives each socket to the one with fewer.
    readers = [await Reader.open(front) for _ in range(8)]
    for reader in readers:
        await reader.subscribe("room:1")
    nodes = {reader.node for reader in readers}
    assert len(nodes) == 2, nodes
    for number in range(1, 51):
        await readers[number % 8].say("room:1", number)
    for reader in readers:
        assert sorted(await reader.pushes(50)) == list(range(1, 51))
    print("what comes in by one node goes out by both, and the history is one")

    gone = readers[0].node
    names = {await node_of(place): name for name, place in (("node-1", "10.0.0.11"), ("node-2", "10.0.0.12"))}
    name = names[gone]
    ended, lost = asyncio.to_thread(cluster.stop, name), [reader for reader in readers if reader.node == gone]
    stopping = asyncio.create_task(ended)
    for reader in lost:
        assert await reader.closed() == 1001
    assert await stopping == 0
    print("a node that is stopped says goodbye, within its grace, and ends well")

    left = [reader for reader in readers if reader.node != gone]
    for number in range(51, 61):
        await left[0].say("room:1", number)
    for reader in left:
        assert await reader.pushes(10) == list(range(51, 61))
    for reader in lost:
        again = await Reader.open(front)
        assert again.node != gone
        answer = await again.subscribe("room:1", reader)
        assert answer["recovered"] is True, answer
        assert await again.pushes(10) == list(range(51, 61))
    print("its clients go on with the other node where they were")

    cluster.start(name)
    await until(lambda: ready("10.0.0.11") == ready("10.0.0.12") == (200, "up"))
    cluster.stop("redis")
    await until(lambda: ready(front) == (200, "down"))
    await left[1].say("room:2", "alone")
    cluster.start("redis")
    cluster.healthy("redis")
    await until(lambda: ready("10.0.0.11") == ready("10.0.0.12") == (200, "up"))
    print("without Redis the nodes go on, and with it they are together again")


class Reader:
    """A client of the relay, which counts as the protocol says."""

    @classmethod
    async def open(cls, host):
        self = cls()
        self.socket = await websockets.connect(f"ws://{host}/ws", open_timeout=PATIENCE)
        self.conn_id = (await self.ask({"type": "hello", "ref": 0}))["conn_id"]
        self.node = self.conn_id >> 32
        return self

    async def ask(self, message):
        await self.socket.send(json.dumps(message))
        return await self.hear()

    async def hear(self):
        return json.loads(await asyncio.wait_for(self.socket.recv(), PATIENCE))

    async def subscribe(self, topic, before=None):
        since = {"epoch": before.epoch, "offset": before.offset} if before else {}
        answer = await self.ask({"type": "subscribe", "topic": topic, "ref": 1, **since})
        assert answer["type"] == "subscribed", answer
        self.epoch, self.offset = answer["epoch"], answer["offset"]
        return answer

    async def say(self, topic, payload):
        await self.socket.send(json.dumps({"type": "message", "topic": topic, "event": "e", "payload": payload}))

    async def pushes(self, count):
        payloads = []
        while len(payloads) < count:
            message = await self.hear()
            assert message["type"] in ("push", "skipped"), message
            if message["type"] == "push":
                payloads.append(message["payload"])
            self.offset += message.get("count", 0 if "to" in message else 1)
        return payloads

    async def closed(self):
        try:
            while True:
                await self.hear()
        except websockets.ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None


def ready(host):
    """The status of /ready, and how the broker is."""
    port = 80 if host == "10.0.0.10" else 8000
    request = urllib.request.Request(f"http://{host}:{port}/ready", headers={"Host": "localhost:8000"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            text = answer.read().decode()
            said = "up" if "backplane: up" in text else "down"
            return answer.status, said
    except OSError:
        return None


async def node_of(place):
    """The number of the node there, as a socket that it serves tells."""
    reader = await Reader.open(f"{place}:8000")
    await reader.socket.close()
    return reader.node


async def until(is_so):
    end = time.monotonic() + PATIENCE
    while not await asyncio.to_thread(is_so):
        assert time.monotonic() < end, "it never became so"
        await asyncio.sleep(0.1)


def enter(network):
    """Takes this thread, and those that it starts, into a network."""
    if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def ip(*words):
    subprocess.run(["ip", *words], check=True)


if __name__ == "__main__":
    main()
