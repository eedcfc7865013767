#!/usr/bin/env python3
"""transfer.py upload|download PORT SIZE CONNECTIONS: moves SIZE bytes on each connection at the same time, and prints the seconds as JSON.

An upload goes to /sink with a Content-Length, and the answer must be the length. A download comes from /bytes/SIZE and must be so long.
"""

import http.client
import json
import sys
import threading
import time

PIECE = 256 * 1024


def main():
    direction = {"upload": upload, "download": download}[sys.argv[1]]
    port, size, connections = map(int, sys.argv[2:5])
    faults = []

    def one(start):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.connect()
            start.wait()
            direction(connection, size)
            connection.close()
        except Exception as error:
            faults.append(repr(error))
            start.abort()

    start = threading.Barrier(connections + 1)
    threads = [threading.Thread(target=one, args=(start,)) for _ in range(connections)]
    for thread in threads:
        thread.start()
    try:
        start.wait()
    except threading.BrokenBarrierError:
        pass
    begin = time.monotonic()
    for thread in threads:
        thread.join()
    if faults:
        sys.exit(faults[0])
    print(json.dumps({"seconds": time.monotonic() - begin}))


def upload(connection, size):
    piece = memoryview(bytes(PIECE))
    connection.putrequest("POST", "/sink")
    connection.putheader("Content-Length", str(size))
    connection.putheader("Content-Type", "application/octet-stream")
    connection.endheaders()
    left = size
    while left:
        taken = min(left, PIECE)
        connection.sock.sendall(piece[:taken])
        left -= taken
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200 or answer.strip() != str(size).encode():
        raise RuntimeError(f"POST /sink: status {response.status}, {answer[:40]!r}")


def download(connection, size):
    connection.request("GET", f"/bytes/{size}")
    response = connection.getresponse()
    if response.status != 200:
        raise RuntimeError(f"GET /bytes/{size}: status {response.status}")
    buffer = memoryview(bytearray(PIECE))
    length = 0
    while taken := response.readinto(buffer):
        length += taken
    if length != size:
        raise RuntimeError(f"GET /bytes/{size}: {length} bytes came")


if __name__ == "__main__":
    main()
