"""The stress tests: more connections than the limit, slow heads, a body over the limit, and whether the server is well afterwards.

Each returns {"passed": bool, "detail": str, ...}. Every loop has a deadline.
"""

import collections
import errno
import http.client
import re
import select
import selectors
import socket
import statistics
import time


def connections(port, count, limit, path, seconds):
    """Opens `count` connections, sends a request on each and holds those that are answered; what exceeds `limit` must be turned away cleanly.

    Passed: as many 200s as the limit, give or take the server's own bookkeeping (16), and every other connection got a 503 or an orderly close.
    """
    selector = selectors.DefaultSelector()
    outcome, held, opened, deadline = collections.Counter(), [], 0, time.monotonic() + seconds
    retry_after = 0
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    pending = set()

    def finish(connection, what, keep=False):
        outcome[what] += 1
        pending.discard(connection)
        selector.unregister(connection)
        held.append(connection) if keep else connection.close()

    try:
        while (opened < count or pending) and time.monotonic() < deadline:
            # A listen queue holds only so many: a few at a time.
            while opened < count and len(pending) < 256:
                connection = socket.socket()
                connection.setblocking(False)
                # A few source addresses, so that the run needs few ephemeral ports of each.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                connection.bind((f"127.0.{port % 250 + 1}.{2 + opened // 2000}", 0))
                status = connection.connect_ex(("127.0.0.1", port))
                opened += 1
                if status not in (0, errno.EINPROGRESS):
                    outcome["refused"] += 1
                    connection.close()
                    continue
                selector.register(connection, selectors.EVENT_WRITE)
                pending.add(connection)
            for key, events in selector.select(0.2):
                connection = key.fileobj
                try:
                    if events & selectors.EVENT_WRITE:
                        if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                            finish(connection, "refused")
                            continue
                        selector.modify(connection, selectors.EVENT_READ)
                        connection.send(request)
                        continue
                    answer = connection.recv(4096)
                except (BrokenPipeError, ConnectionResetError):
                    # What the server said before it closed may still be there to read.
                    finish(connection, "reset")
                    continue
                if not answer:
                    finish(connection, "closed")
                elif answer.startswith(b"HTTP/1.1 200"):
                    finish(connection, "200", keep=True)
                else:
                    retry_after += b"\r\nretry-after:" in answer.lower()
                    finish(connection, answer[9:12].decode(errors="replace"))
        outcome["no answer"] = len(pending) + count - opened
        others = probe(port, path)[0]
    finally:
        for connection in [*pending, *held]:
            connection.close()
        selector.close()
    there = {what: number for what, number in outcome.items() if number}
    clean = set(there) <= {"200", "503", "closed"}
    detail = ", ".join(f"{number} x {what}" for what, number in sorted(there.items()))
    return {
        "passed": clean and limit - 16 <= outcome["200"] <= limit,
        "detail": f"{detail}; {retry_after} with Retry-After; one more while full: {others}",
        "outcome": there,
    }


def slow_heads(port, count, path, seconds):
    """`count` connections that send their head a field at a time, without an end, while a probe asks every 50 ms on a connection of its own.

    Passed: every probe got a 200, the 99th percentile within 50 ms.
    """
    begin = time.monotonic()
    slow = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", port), 5)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n".encode())
        connection.setblocking(False)
        slow.append(connection)
    statuses, closed, latencies, field = collections.Counter(), [], [], begin
    while (now := time.monotonic()) < begin + seconds:
        if now >= field:
            field = now + 0.5
            for connection in list(slow):
                try:
                    connection.send(b"X-Slow: 1\r\n")
                    answer = connection.recv(1024)
                except BlockingIOError:
                    continue
                except OSError:
                    answer = b""
                statuses[answer[9:12].decode(errors="replace") or "closed"] += 1
                closed.append(now - begin)
                connection.close()
                slow.remove(connection)
        status, latency = probe(port, path)
        latencies.append(latency if status == 200 else None)
        time.sleep(0.05)
    for connection in slow:
        connection.close()
    good = sorted(latency for latency in latencies if latency is not None)
    p99 = good[int((len(good) - 1) * 0.99)] if good else float("inf")
    ended = ", ".join(f"{number} x {what}" for what, number in sorted(statuses.items())) or "none"
    when = f" after {min(closed):.0f} to {max(closed):.0f} s" if closed else ""
    return {
        "passed": len(good) == len(latencies) > 0 and p99 <= 0.050,
        "detail": f"{len(good)} of {len(latencies)} probes answered, p50 {statistics.median(good or [0]) * 1e3:.1f} ms, p99 {p99 * 1e3:.1f} ms; "
        f"slow connections ended: {ended}{when}",
        "probes": len(latencies),
        "answered": len(good),
        "p99_ms": round(p99 * 1e3, 2),
        "slow_ended": dict(statuses),
    }


def oversized(port, path, size, seconds):
    """A body of `size` bytes, over the limit, with a Content-Length and chunked, from a client that reads while it sends and from one that does not.

    Passed: the first client sees a 413 for the Content-Length; chunked it sees a 413 or, from a handler that answers while it still reads, an answer
    that breaks off. What the second client sees is told beside it: it depends on how long a server goes on reading.
    """
    seen = {
        f"{framing}, {client}": _oversized(port, path, size, seconds, framing, client)
        for framing in ("length", "chunked")
        for client in ("reads while it sends", "reads afterwards")
    }
    first, second = seen["length, reads while it sends"], seen["chunked, reads while it sends"]
    return {
        "passed": first == "413" and second in ("413", CUT),
        "detail": "; ".join(f"{case}: {what}" for case, what in seen.items()),
        "seen": seen,
    }


def _oversized(port, path, size, seconds, framing, client):
    deadline = time.monotonic() + seconds
    piece = b"x" * 65_536
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/octet-stream\r\n"
    if framing == "length":
        head += f"Content-Length: {size}\r\n\r\n"
        last = b""
    else:
        head += "Transfer-Encoding: chunked\r\n\r\n"
        piece, last = f"{len(piece):x}\r\n".encode() + piece + b"\r\n", b"0\r\n\r\n"
    parts = [head.encode(), *[piece] * (size // 65_536), last]
    with socket.create_connection(("127.0.0.1", port), seconds) as connection:
        try:
            if client == "reads while it sends":
                answer = _send_and_read(connection, parts, deadline)
            else:
                answer = _send_then_read(connection, parts, deadline)
        except OSError as error:
            return error.__class__.__name__
    status = answer[9:12].decode(errors="replace") or "closed without an answer"
    return CUT if status == "200" and client == "reads while it sends" and not _whole(answer) else status


def _send_and_read(connection, parts, deadline):
    """As a browser or curl does it: an error counts as soon as it is there; the content of a 200 is read to its end."""
    connection.setblocking(False)
    parts, view = iter(parts), memoryview(b"")
    answer, sending = bytearray(), True
    while (left := deadline - time.monotonic()) > 0:
        readable, writable, _ = select.select([connection], [connection] if sending else [], [], left)
        if readable:
            try:
                piece = connection.recv(262_144)
            except ConnectionResetError:
                piece = b""
            answer += piece
            if not piece or answer[9:10] not in (b"", b"2") or _whole(answer):
                return bytes(answer)
        if writable:
            try:
                view = view or memoryview(next(parts))
                view = view[connection.send(view) :]
            except StopIteration:
                sending = False
            except (BrokenPipeError, ConnectionResetError):
                # The server closed; what it said before may still be there to read.
                sending = False
    raise TimeoutError


def _whole(answer):
    """Whether a response is there to its end."""
    head, blank, content = bytes(answer[:4096]).partition(b"\r\n\r\n")
    if not blank:
        return False
    if length := re.search(rb"\r\ncontent-length: *(\d+)", head.lower()):
        return len(answer) - len(head) - 4 >= int(length[1])
    return answer.endswith(b"0\r\n\r\n")


def _send_then_read(connection, parts, deadline):
    """As a simple client does it: everything, then the answer. It sees one only when the server reads on for long enough."""
    connection.settimeout(max(0.1, deadline - time.monotonic()))
    try:
        for part in parts:
            connection.sendall(part)
    except (BrokenPipeError, ConnectionResetError):
        pass
    return connection.recv(4096)


def health(port, path, times=10):
    """Passed: every one of `times` requests, each on a connection of its own, gets a 200."""
    statuses = [probe(port, path)[0] for _ in range(times)]
    good = statuses.count(200)
    return {"passed": good == times, "detail": f"{good} of {times}" + ("" if good == times else f": {statuses}")}


def probe(port, path, timeout=5):
    """The status of one request on a connection of its own, or what went wrong, and the seconds it took."""
    begin = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        response.read()
        return response.status, time.monotonic() - begin
    except (OSError, http.client.HTTPException) as error:
        return error.__class__.__name__, time.monotonic() - begin
    finally:
        connection.close()


CUT = "200, then cut"
