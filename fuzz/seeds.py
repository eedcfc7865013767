#!/usr/bin/env python3
"""Writes fuzz/seeds/ anew: from the corpus of conversations where the target reads HTTP, from the lists below where it does not.

    python3 fuzz/seeds.py
"""

import gzip
import hashlib
import pathlib
import re
import shutil
import struct
import tomllib
import zlib

HERE = pathlib.Path(__file__).resolve().parent
MOST = 48  # seeds of one target
LONGEST = 1500  # octets of one seed

ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}

ROUTES = [
    ["/", "/users", "/users/{id}", "/users/{id}/posts/{post}", "/users/7/posts/8"],
    ["/users/me", "/users/:id", "/users/{id}/edit", "/users/me/edit"],
    ["/static/{*path}", "/static/style.css", "/static/{file}", "/static/a/b/c"],
    ["/v{major}", "/v{major}.json", "/{name}.json", "/v1.json"],
    ["/{a}/x", "/{a}/{b}", "/a/{b}", "/a/x", "/a/x/"],
    ["/a{{b}}", "/a{{{b}}}", "/a%7Bb%7D"],
    ["/%41{x}41", "/{x}41", "/{x}1", "/a%41"],
    ["/caf\u00e9", "/caf%c3%a9", "/{x}", "/caf%C3%A9"],
    ["//", "///{x}", "/{x}//", "//a//"],
    ["/{a}/{b}/{c}/end", "/a/{b}/{c}/end", "/a/a/{c}/end", "/{a}/a/a/end", "/a/a/a/other"],
    ["/a{x}aa", "/aa{x}a", "/a{x}", "/{x}aa", "/aaaaa"],
    [":get/users/:id", ":post/users", "/users/1"],
    ["/{x}", "/{y}", "/x"],
    ["/{x", "/x}", "/{}", "/{*}", "/{*x}/y", "/a{*x}", "/{x}{y}", "/{1}", "/?", "/%4", "x", "/%4"],
    ["/" + "/".join("{p%d}" % place for place in range(17)), "/" + "/".join("{p%d}" % place for place in range(16)), "/x" * 16],
    ["/{a}", "/{a}/{*rest}", "/{*rest}", "/a/b/c"],
]

QUERIES = [
    "a=1&b=2&a=3",
    "q=rust+%26+http&page=1&exact",
    "=x&&b=&=",
    "%61=%C3%BC&a=%ff",
    "a=%&b=%4&c=%zz%2b&d=%%41&e=%4%41",
    "a=1=2&a%3d=3",
    "EIO=4&transport=polling&t=x1",
    "EIO=4&transport=websocket&sid=AbCd-_0123456789012345",
    "transport=websocket&transport=polling&EIO=3&EIO=4",
    "EIO=4&transport=%70olling&sid=",
    "sid=a&sid=b&transport=polling&b64=1&j=0",
    "%2e%2e%2f=%00&+=+",
    "a;b=c;d&e%26f=g",
    "&".join(f"p{place}={place}" for place in range(40)),
]

MEDIA_TYPES = [
    "text/html; charset=utf-8",
    " Text/HTML ;Charset=\"UTF-8\" ",
    "multipart/form-data; boundary=----x; boundary=y",
    'multipart/form-data; boundary="a;b=\\"c\\\\"',
    "a/b;;c=d;",
    'a/b; c=""; d="x y"',
    'a/b; c="d',
    "a/b; c =d",
    "a/b; c= d",
    "a/b/c",
    "application/vnd.api+json;q=0.5;x",
    'a/b; c="d"e',
    "a/b" + "".join(f"; p{place}={place}" for place in range(17)),
    "a/b" + "".join(f"; p{place}={place}" for place in range(16)),
    "text/plain, text/html",
    'a/b; c="\u00fc"',
]

# Octet by octet what fuzz/src/response.rs takes after the response that was stamped before: method, minor version, option, interim, status, fields, length, close, content, trailers.
RESPONSES = [
    b"\0\1\0\0" + b"\0" + b"\0" + b"\1\5\0" + b"\1\1\5hello",
    b"\0\1\0\0" + b"\0" + b"\1\x0b\5plain" + b"\0\0" + b"\2\1\5hello\1\6 world" + b"\1\x0a\2ok",
    b"\0\0\0\0" + b"\0" + b"\0" + b"\0\0" + b"\1\1\5hello",
    b"\1\1\0\0" + b"\0" + b"\0" + b"\1\5\0" + b"\0",
    b"\1\1\0\0" + b"\0" + b"\0" + b"\0\0" + b"\1\1\5hello",
    b"\2\1\0\0" + b"\4" + b"\0" + b"\1\5\0" + b"\0",
    b"\2\1\0\0" + b"\5" + b"\0" + b"\1\5\0" + b"\0",
    b"\3\1\0\0" + b"\0" + b"\0" + b"\0\0" + b"\0",
    b"\3\1\0\0" + b"\6" + b"\0" + b"\1\3\0" + b"\1\1\3abc",
    b"\0\1\3\0" + b"\1" + b"\1\5\1x" + b"\0\0" + b"\0",
    b"\0\1\0\0" + b"\7" + b"\1\5\1x" + b"\1\0\0" + b"\0",
    b"\0\1\0\1" + b"\3" + b"\2\x0a\1x\0\5close" + b"\0" + b"\0" + b"\1\2\0" + b"\1\1\2hi",
    b"\0\0\0\1" + b"\2" + b"\0" + b"\0" + b"\0" + b"\1\2\0" + b"\1\1\2hi",
    b"\0\1\1\0" + b"\0" + b"\0" + b"\1\2\0" + b"\1\1\2hi",
    b"\0\0\2\0" + b"\0" + b"\0" + b"\1\2\0" + b"\1\1\2hi",
    b"\0\1\0\0" + b"\0" + b"\0" + b"\1\2\1" + b"\1\1\2hi",
    b"\0\1\0\0" + b"\0" + b"\5\0\5close\1\0019\2\7chunked\3\1x\4\1x" + b"\1\2\0" + b"\1\1\2hi",
    b"\0\1\0\0" + b"\0" + b"\2\6\1d\7\1s" + b"\1\2\0" + b"\1\1\2hi",
    b"\0\1\0\0" + b"\0" + b"\3\x0a\6a\r\nb: c\x0f\3x y\1z\x0d\2ok\3 v " + b"\1\2\0" + b"\1\1\2hi",
    b"\0\1\0\0" + b"\0" + b"\0" + b"\1\7\0" + b"\1\1\2hi",
    b"\0\1\0\0" + b"\0" + b"\0" + b"\1\1\0" + b"\1\1\2hi",
    b"\0\1\0\0" + b"\0" + b"\0" + b"\0\0" + b"\3\0\5large\1\0\1\1x" + b"\2\1\0019\x0a\1t",
    b"\0\1\0\0" + b"\x0a\2\x99" + b"\0" + b"\1\2\0" + b"\1\1\2hi",
    b"\0\1\0\0" + b"\x09" + b"\0" + b"\1\0\0" + b"\0",
    b"\0\1\0\0" + b"\0" + b"\1\x0b\5plain" + b"\1\2\0" + b"\1\1\2hi",
    b"\0\1\0\0" + b"\0" + b"\1\x0b\5plain" + b"\1\2\0" + b"\1\1\2hi",
    b"\0\1\0\0" + b"\0" + b"\1\x0b\5plain" + b"\1\2\0" + b"\1\1\2hi",
    b"\3\1\3\0" + b"\1" + b"\1\5\1x" + b"\0\0" + b"\0",
]

# What fuzz/src/ws_handshake.rs reads, line by line.
HANDSHAKE = ["Host: a.example", "Upgrade: websocket", "Connection: keep-alive, Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"]
HANDSHAKES = [
    [],
    ["Sec-WebSocket-Protocol: chat, superchat"],
    ["Sec-WebSocket-Protocol: soap, superchat", "Sec-WebSocket-Protocol: chat"],
    ["Sec-WebSocket-Protocol: chat, chat"],
    ["Origin: https://a.example"],
    ["Origin: https://b.example", "Cookie: sid=1"],
    ["Sec-WebSocket-Extensions: permessage-deflate"],
    ["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"],
    ["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=10; server_max_window_bits=9"],
    ["Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=\"12\", permessage-deflate; server_no_context_takeover"],
    ["Sec-WebSocket-Extensions: foo; bar=baz", "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover"],
    ["Sec-WebSocket-Extensions: a;;b"],
    ["Sec-WebSocket-Version: 8"],
    ["Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="],
]

# Parts behind their lengths, behind the octet for takeover (fuzz/src/ws_deflate.rs).
HELLO = bytes.fromhex("f248cdc9c90700")
DEFLATES = [
    [HELLO],
    [HELLO, HELLO],
    [HELLO, bytes.fromhex("f200110000")],
    [bytes.fromhex("000500faff48656c6c6f00")],
    [bytes.fromhex("f348cdc9c9070000"), HELLO],
    [bytes.fromhex("f24805000000ffffcac9c90700")],
    [b"\0", b"", HELLO],
    [b"\xff" * 20],
    [b"\x07"],
    [b"the same words again and again, the same words again and again", b"again the same words"],
    [bytes(range(256))[:255]],
    [bytes.fromhex("edc1010d000000c2a0f74f6d0e37a0") + b"\0" * 30],
]

# Kind, length, payload (fuzz/src/ws_codec.rs).
CODECS = [
    b"\0\5hello",
    b"\x80\xffhello" + b"x" * 250,
    b"\1\5\0\1\2\3\4",
    b"\x81\xf0" + bytes(range(240)),
    b"\2\5hello" + b"\2\5hello",
    b"\3\x0afragmented",
    b"\4\4ping" + b"\5\4pong",
    b"\0\3abc" + b"\6\3bye" + b"\0\1x",
    b"\7\0",
    b"\0\4\xf0\x9f\x98\x80" + b"\4\0",
    b"\0\x7e" + b"a" * 126 + b"\1\x7d" + b"b" * 125,
]

# A name, a value, a path, a domain and a word for SameSite, a line each; the whole is a Cookie field, too.
COOKIES = [
    "session_id\n31d4\n/\n\nLax",
    "__Host-session\nabc\n/\n\nStrict",
    "__Host-session\nabc\n/app\nexample.com\nStrict",
    "__Secure-id\nabc==\n/a b\n.example.com\nNone",
    "a=1; b=2; a=3",
    "a=1;b=2;;flag; =x; c = d e ;",
    'quoted="a b"; json={"a":1,"b":[2]}; last',
    "\t a \t=\t b \t;\t",
    "=;=;=;=;==;===",
    "caf\u00e9=cr\u00e8me; plain=1",
    "n\nv; Domain=evil.example\n/; HttpOnly\nexample.com; Secure\nNone; Secure",
    "n\nv\r\nset-cookie: x=y\n/",
    "theme\n\n\n\n",
    "; ".join(f"c{place}={place}" for place in range(60)),
]

def part(name, content, more=""):
    return f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{content}\r\n'


FORMS = [
    part("a", "1") + "--b--\r\n",
    part("a", "") + part("b", "2") + "--b--",
    part("f", "x\r\n--a\r\n-b\r\n", '; filename="../x"') + "--b--",
    "preamble\r\n" + part("a", "1") + "--b--\r\nepilogue",
    part("a", "\r\n--\r\n--") + "--b--",
    "--b--",
    "--b\r\n\r\nx\r\n--b--",
    part("a", "x" * 61) + "--b--",
    "".join(part("a", str(place)) for place in range(6)) + "--b--",
    part("n" * 300, "") + "--b--",
    part("a", "1"),
    "--b \t\r\nContent-Disposition:form-data;name=a\r\nContent-Type: text/plain\r\n\r\n1\r\n--b --",
    part("a", "--c\r\nx\r\n--c--", "\r\nContent-Type: multipart/mixed; boundary=c") + "--b--",
    part("a", "\r\n--bx") + "--b--",
    "\r\n\r\n" * 20 + part("a", "1") + "--b--",
    part("a", "\r\r\n--b") + "--b--",
]
ACCEPT_ENCODINGS = [
    "gzip, deflate, br, zstd",
    "gzip;q=1.0, br;q=0.9, *;q=0.1",
    "br;q=0.5, identity;q=0.5",
    "identity;q=0, x-gzip ; Q=0.001",
    "*;q=0",
    "*;q=0.5, gzip;q=0.3\nidentity;q=0.4",
    "br;q=0, br",
    "br;q=nonsense, gzip;q=1.001, zstd;q=0.1234",
    ",, br;q=1. ,\tzstd;q=0.",
    "compress;q=1, deflate",
    "br;level=5, gzip q=1",
    ",".join(["x"] * 63 + ["br"]),
    ",".join(["x"] * 64 + ["br"]),
]

# Of `hello`, or a little of what is wrong, by the octet that stands for the coding.
CODED = {
    0: ["0b028068656c6c6f03", "0b0280", "110000", "3b", "a1"],
    1: ["28b52ffd2005290000" + b"hello".hex(), "28b52ffd00a8030000", "28b52ffd0038" + "02001000" * 40, "28b52ffd"],
    2: [gzip.compress(b"hello", mtime=0).hex(), gzip.compress(bytes(200_000), mtime=0).hex(), "1f8b0804000000000000020057", gzip.compress(b"", mtime=0).hex() + "00"],
    3: [zlib.compress(b"hello").hex(), zlib.compress(bytes(70_000)).hex(), "789c", "789c010500"],
}

FORWARDED = [
    "192.0.2.1",
    "203.0.113.9, 192.0.2.1:8080, [2001:db8::1]:80",
    "2001:db8::1, ::ffff:192.0.2.1, unknown, _hidden",
    'for=192.0.2.43, for="[2001:db8::17]:4711";proto=https;by=203.0.113.43',
    'For="_gazonk"; Host="a.example:8443"',
    'for="evil, for=192.0.2.1',
    'for=1.1.1.1;x="\\", for="192.0.2.1"',
    'ext="a,b;c\\",\\\\";for=192.0.2.1',
    "for=unknown, for=_a, for=, proto=http",
    " , ,192.0.2.1:_p ,\t01.2.3.4, 1.2.3.4:65536",
    'for="[::1]:80";for=192.0.2.1',
    "[::1, ::1], [::1]80, fe80::1%eth0",
]


PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACEPARENTS = [
    PARENT,
    PARENT + "\nrojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
    PARENT + "\ncongo=1 \t,\t,rojo=2\n\ntenant@system=a b",
    PARENT + "\n" + ",".join(f"k{place}=v" for place in range(32)),
    PARENT + "\n" + ",".join(f"k{place}=v" for place in range(33)),
    PARENT + "\na=1," + "k" * 256 + "=" + "v" * 255 + ",b=2",
    PARENT + "\na=1,a=2",
    PARENT + "\n0a=1,a=",
    PARENT + "-what-comes",
    "cc" + PARENT[2:] + "-what-comes\na@b=c",
    "ff" + PARENT[2:],
    PARENT.upper(),
    PARENT.replace("b7ad6b7169203331", "0" * 16),
    PARENT.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
    PARENT[:-1] + "2\na*_-/0=~",
    "\na=1",
]


def meter(kind, flags, stream, *payload, times=1, out=False, more=0):
    """A step of fuzz/src/h2_meter.rs: a frame so many times; `stream` counts up when it is odd, `more` is what its length says beside."""
    step = (times - 1) << 2 | (2 if out else 0)
    return bytes([step, kind, flags, stream << 1 if out else stream, more, len(payload), *payload])


def later(ticks, open=0):
    return bytes([ticks << 2 | 3, open])


# Behind the octet for limits and the lengths of the pieces.
METERS = {
    "resets": meter(1, 5, 1, 7, times=60) + meter(3, 0, 1, 0, 0, 0, 8, times=60) + later(4) + meter(3, 0, 1, 0, 0, 0, 8, times=64),
    "resets-at-a-pace": (meter(1, 5, 1, 7, times=5) + meter(3, 0, 1, 0, 0, 0, 8, times=2) + later(2)) * 12,
    "resets-of-old-streams": meter(1, 5, 1, 7, times=20) + later(9) + meter(3, 0, 1, 0, 0, 0, 8, times=20),
    "pings": meter(6, 0, 0, *range(8), times=64) + later(8) + meter(6, 0, 0, *range(8), times=64),
    "settings": later(0, 100) + meter(4, 0, 0, 0, 4, 0, 0, 0, 1, times=9) + meter(4, 1, 0) + later(1) + meter(4, 0, 0),
    "goaway": meter(7, 0, 0, *bytes(8), times=64) * 2,
    "priorities": meter(1, 5, 1, 7) + meter(2, 0, 2, 0, 0, 0, 0, 1, times=64) * 3 + meter(16, 0, 0, 0, 0, 0, 1, times=20),
    "updates": meter(8, 0, 0, 0, 0, 0, 1, times=5) + meter(0, 0, 2, 1, 2, 3, out=True) + meter(8, 0, 0, 0, 0, 0, 1, times=21),
    "empty": meter(1, 4, 3, 7) + (meter(0, 0, 2, 9) + meter(0, 0, 2)) * 4 + meter(0, 8, 2, 2, 0, 0) + meter(0, 8, 2, 0),
    "empty-sections": meter(1, 0, 3) + meter(9, 0, 2, 7) + meter(9, 0, 2) + meter(9, 4, 2) + meter(1, 0, 5) + meter(9, 0, 4),
    "errors": meter(3, 0, 1, 0, 0, 0, 7, times=64, out=True) * 3,
    "own-resets": meter(3, 0, 1, 0, 0, 0, 8, times=64, out=True) * 3,
    "overhead": meter(0xEE, 0xFF, 7, *range(16), more=0xFF),
    "late-section": meter(1, 0, 3, 1, 2, 3) + later(5) + meter(9, 0, 2, 4) + later(1) + meter(9, 4, 2, 5),
    "late-head": meter(6, 0, 0, *range(7), more=0xFE) + later(4) + bytes([1, 4, 9, 0, 0, 8]) + later(2) + bytes([1, 3, 6, 0, 0]),
    "late-content": meter(0, 0, 2, *range(7), more=0xFE) + later(4) + bytes([1, 4, 9, 0, 0, 8]) + later(2) + bytes([1, 3, 6, 0, 0]),
}


def asked(path, octet=0, kind=0, more=b""):
    """A step of fuzz/src/h2_server.rs: a request for a path, whose number is that in fuzz/src/h2_frames.rs."""
    return bytes([path << 4 | kind]) + more + bytes([octet])


def data(stream, flags, content, fill=0):
    return bytes([fill << 4 | 3, stream, flags, ord("a"), len(content)]) + content


def sleep(eighths):
    return bytes([13, eighths])


HELLO_SETTINGS = b"\x05\x03\x03" + b"\x8a\0"
MASKED = b"\x82\x85\0\0\0\0hello"
CLOSE = b"\x88\x80\0\0\0\0"
# Behind the octet for the setting and the lengths of the pieces.
TALKS = {
    "get": HELLO_SETTINGS + asked(0) + sleep(9),
    "gets": asked(0) * 8 + asked(10) + asked(11) + asked(14),
    "post": HELLO_SETTINGS + asked(4, 16) + data(1, 0, b"hello") + data(1, 1, b"again") + sleep(30),
    "sink": asked(5, 16) + data(1, 0, b"x" * 60, 9) * 3 + data(1, 1, b""),
    "parked": asked(1) * 4 + b"\x04\1\x08" + sleep(200) * 3,
    "rapid-resets": b"\xf9\1" * 8,
    "rapid-resets-at-a-pace": (b"\x19\0" + sleep(60)) * 12,
    "large": HELLO_SETTINGS + asked(3) * 3 + b"\x06\0\x07" + b"\x16\1\x07" + sleep(50) + b"\x0e",
    "large-stalled": b"\x1c" + asked(3) * 3 + sleep(255) * 2,
    "window-zero": b"\x05\x04\0" + asked(3) + b"\x05\x04\x05" + sleep(20) + b"\x06\1\x04",
    "slow": asked(2) * 3 + sleep(40) + asked(2) + b"\x0f",
    "drain": asked(2) + b"\x0f" + asked(0) + sleep(60),
    "force": asked(1) + asked(3) + b"\x6f",
    "reset": asked(3) + asked(4, 16) + b"\x8f",
    "half-closed": asked(2) + asked(4, 16) + b"\xaf" + sleep(200),
    "websocket": HELLO_SETTINGS + asked(6, 16) + sleep(5) + data(1, 0, MASKED) * 2 + sleep(5) + data(1, 1, CLOSE) + sleep(9),
    "websocket-reset": asked(6, 16) + sleep(5) + data(1, 0, MASKED) + b"\x04\1\x08" + sleep(9),
    "websockets-stalled": b"\x1c" + (asked(6, 16)) * 3 + data(1, 0, MASKED * 5) * 6 + sleep(255),
    "fields": asked(4, 16, 1, b"\1\x03\0\6\7") + data(1, 1, b"hello") + asked(0, 0, 1, b"\0\5\3\4\x0a\x0b\x0c") + sleep(9),
    "trailers": asked(4, 16) + data(1, 0, b"hi") + bytes([0x18, 1, 5, 1, 13]) + b"\x10\5x-sum\x056" + sleep(9),
    "hpack": asked(0, 0, 2, b"\0\x04\x82\x86\xff\x7f") + asked(0, 0, 2, b"\x05\6\x3f\xe1\xff\x03\x40\0") + sleep(9),
    "continuations": asked(0, 28) + b"\x0a\0\x07\x10\1x\3abc" + b"\x0a\0\0" + b"\x0a\4\0" + sleep(9),
    "endless-section": asked(0, 28) + b"\x0a\0\x3f" + b"\x10\1x\x3a" + b"y" * 58 + sleep(255),
    "pings": b"\xf7\0" * 9,
    "settings": b"\x35\4\6" * 30,
    "updates": b"\xf6\0\1" * 4 + b"\x06\0\x08",
    "priorities": b"\xca\1\0" * 9,
    "empty-data": asked(5, 16) + data(1, 0, b"") * 3,
    "raw-frames": bytes([0x38, 0xEE, 0xFF, 1, 20]) + bytes(20) + bytes([0x08, 5, 4, 1, 4]) + bytes(4),
    "wrong-streams": asked(0, 0xE2) + data(9, 1, b"x") + b"\x04\x0d\1" + asked(0, 0xE1),
    "too-many": asked(1) * 8 + sleep(30),
    "goaway": asked(2) + b"\xba\0\0" + sleep(90),
}


def http2(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


GET = b"\x82\x86\x84\x41\1a"
RAW = {
    "raw-get": http2(4, 0, 0) + http2(4, 1, 0) + http2(1, 5, 1, GET),
    "raw-indexed": http2(4, 0, 0) + http2(1, 5, 1, GET + b"\x40\1x\1y") + http2(1, 5, 3, GET + b"\xbe"),
    "raw-post": http2(4, 0, 0) + http2(1, 4, 1, b"\x83\x86\x04\5/echo\x41\1a") + http2(0, 1, 1, b"hello"),
    "raw-priority": http2(4, 0, 0) + http2(1, 0x25, 1, bytes(5) + GET) + http2(2, 0, 3, bytes(5)) + http2(6, 0, 0, bytes(8)),
    "raw-nonsense": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
}

# Whether names may begin with a dot, and what is behind the mount.
PATHS = [
    b"0css/site.css",
    b"0css/",
    b"0",
    b"1.well-known/acme",
    b"0../../etc/passwd",
    b"0%2e%2e/%2e%2e/etc/passwd",
    b"0..%2f..%5cetc",
    b"0%c0%ae%c0%ae/etc/passwd",
    b"0caf%C3%A9%20x.txt",
    b"1a//b/./c/..",
    b"0%00%0a%7f",
    b"0a%",
    b"0/etc/passwd",
    b"1...%2e%25",
]

# The size, and fields by their letters.
RANGES = [
    b"\x0arbytes=0-4",
    b"\x0arbytes=-3",
    b"\x0arbytes=0-1,8-9, 3-",
    b"\x0arbytes=5-4",
    b"\0rbytes=-1",
    b"\x0arbytes=9999999999999999999999-",
    b"\x3frbytes=" + b"0-," * 17,
    b'\x0arbytes=0-1\ni"v1"',
    b"\x0arbytes=0-1\niSun, 06 Nov 1994 08:49:37 GMT",
    b'\x0am"v0", "v1"\nnW/"v1"',
    b"\x0an*\nm*",
    b"\x0asSun, 06 Nov 1994 08:49:37 GMT",
    b"\x0auSunday, 06-Nov-94 08:49:36 GMT\nsSun Nov  6 08:49:37 1994",
    b'\x14rBYTES=0-0,2-2,4-4,6-6\nn"v2"',
]

BEFORE = [b"\0", b"\1\5plain", b"\1\4html"]


# A quota, the length of its window less one, and pairs: how much later, at what cost.
RATES = [
    [1, 9] + [0, 1] * 3,
    [4, 9] + [0, 1] * 6 + [10, 1, 5, 1, 0, 1, 0, 1],
    [4, 9] + [3, 1] * 20,
    [10, 99] + [50, 5] * 8,
    [10, 99, 99, 10, 1, 10, 50, 5, 50, 5],
    [3, 6] + [1, 1] * 30,
    [255, 0] + [0, 255, 1, 255, 1, 255],
    [7, 255] + [255, 7, 1, 1, 254, 7],
    [5, 10, 0, 6, 0, 5, 22, 5, 21, 5],
    [0, 3, 0, 0, 0, 1, 4, 1],
    [100, 36] + [1, 3] * 60,
    [2, 1] + [1, 2, 1, 1, 1, 2, 1, 1] * 4,
]


RELAY = [
    '{"type":"subscribe","topic":"orders:new"}',
    '{"type":"subscribe","topic":"room:1","ref":1,"join":2,"payload":{"nick":"ann"},"epoch":81,"offset":12,"rewind":10,"presence":true,"token":"a.b.c"}',
    '{"type":"subscribe","topic":"a","epoch":18446744073709551615,"presence":false,"ref":null}',
    '{"type":"subscribe","topic":"a","epoch":81}',
    '{"type":"subscribe","topic":"a","rewind":1,"ref":1}',
    '{"type":"subscribe","topic":"vip:1","token":"a.b.c","join":0}',
    '{"type":"unsubscribe","topic":"orders:new"}',
    '{"type":"unsubscribe","topic":"orders:new","join":9007199254740991}',
    '{"type":"message","topic":"room:1","event":"say","payload":{"text":"hi"},"ref":[1,"x"]}',
    '{"type":"message","topic":"a/b@c=d,e~f","event":"e\\n\\u00e9"}',
    '{"payload":[1, 2.50, 1e999, "\\ud800"],"event":"","type":"\\u006dessage","topic":"a.b"}',
    '{"type":"message","topic":"a","event":"e","payload":' + "[" * 140 + "]" * 140 + "}",
    '{"type":"ping"}',
    '{"type":"ping","ref":{"a":[1,2,3]}}',
    '{"type":"refresh","topic":"room:1","token":"x.y.z","ref":3}',
    '{"type":"call","ref":9,"method":"sum","payload":[1,2],"deadline":2000}',
    '{"type":"call","ref":9,"method":"now"}',
    '{"type":"call","method":"sum"}',
    '{"type":"cancel","ref":9}',
    '{"type":"batch","delay":50,"ref":4}',
    '{"type":"batch","delay":0}',
    '{"type":"hello","ref":0}',
    '{"type":"join","topic":"a..b"}',
    '{"type":"subscribe","topic":"a","topic":"b"}',
    '{"type":"subscribe","topic":"a b","epoch":-1}',
    ' {"type" :\t"ping" ,\n"more":{"type":"x"}} ',
    '{"type":"ping","ref":"' + "x" * 255 + '"}',
    '["type","ping"]',
    # What the server says is nothing that a client may say.
    '{"type":"subscribed","topic":"room:1","epoch":81,"offset":12,"recovered":true,"reply":{"motto":"hi"},"ttl":3600,"join":2,"ref":1}',
    '{"type":"unsubscribed","topic":"room:1","code":"token_expired","message":"token expired"}',
    '{"type":"push","topic":"orders:new","event":"placed","payload":{"id":7},"to":"user"}',
    '{"type":"pong"}',
    '{"type":"ok","ttl":3600,"ref":3}',
    '{"type":"result","ref":9,"payload":3}',
    '{"type":"error","code":"rate_limited","topic":"room:1","message":"too many subscriptions","ref":5}',
    '{"type":"lagged","topic":"room:1","missed":3,"node":"1f00d","first":41,"last":43,"to":"all"}',
    '{"type":"skipped","topic":"room:1","count":1}',
    '{"type":"presence_state","topic":"room:1","members":[{"conn_id":7,"user":"ann","meta":{"status":"away"}}],"more":true}',
    '{"type":"presence_diff","topic":"room:1","joined":[{"conn_id":8,"user":"bob","meta":{}}],"left":[]}',
    '[{"type":"push","topic":"a","event":"e","payload":1},{"type":"push","topic":"a","event":"e","payload":2}]',
    '{"type":"disconnect","code":1001,"reason":"the server is going away"}',
]


def hub(first, *steps):
    """Steps of tests/support/hub_model.rs, four octets each."""
    return bytes([first]) + b"".join(bytes([*step, 0, 0, 0])[:4] for step in steps)


def long(text):
    """Octets with their length before them."""
    octets = text.encode() if isinstance(text, str) else text
    return struct.pack(">I", len(octets)) + octets


def short(text):
    """A topic: its length is one octet."""
    return bytes([len(text)]) + text.encode()


def node(channel, kind, *body, number=3, life=5):
    """What node 3 says on a channel: 0 for all, 1 for one node, 2 for a topic; from 128 on it has an offset."""
    return bytes([channel, kind]) + struct.pack(">IQ", number, life) + b"".join(body)


PLACE, LATER_PLACE = struct.pack(">QQI", 0, 1, 0), struct.pack(">QQI", 0, 9, 9_000)
PARCEL = b"\1" + struct.pack(">Q", 0) + long('{"type":"push"}')
ADA = struct.pack(">Q", 3 << 32 | 1) + b"\1" + long("ada") + long("{}")
NOBODY = struct.pack(">Q", 3 << 32 | 2) + b"\0" + long("{}")
ID = struct.pack(">Q", 4)
USER, CONNECTION = b"\2" + long("ada"), b"\1" + struct.pack(">Q", 7 << 32 | 1)
ENVELOPES = [
    node(2, 1, PLACE, PARCEL),
    node(2, 1, LATER_PLACE, PARCEL),
    node(128, 1, PLACE, PARCEL),
    node(131, 1, LATER_PLACE, PARCEL),
    node(2, 2, LATER_PLACE),
    node(0, 3, ID, struct.pack(">I", 2), short("t"), short("b:c")),
    node(1, 4, ID, struct.pack(">QI", 3, 2), struct.pack(">HH", 0, 7)),
    node(0, 5, struct.pack(">QQQ", 1, 2, 3)),
    node(0, 6, ID, struct.pack(">I", 2), short("t"), b"\1", ADA, short("t"), b"\0", struct.pack(">Q", 4)),
    node(0, 7),
    node(0, 8, ID, struct.pack(">IBI", 0, 1, 2), short("t"), ADA, short("b"), NOBODY),
    node(0, 9, ID, b"\1\1", long("ada"), PARCEL),
    node(0, 9, ID, b"\1\2", USER, struct.pack(">H", 4001), long("go")),
    node(0, 9, ID, b"\1\3", CONNECTION, short("t")),
    node(0, 9, ID, b"\0\4", USER, short("t")),
    node(0, 9, ID, b"\1\5", short("t")),
    node(0, 9, ID, b"\1\6\0", struct.pack(">I", 10)),
    node(0, 9, ID, b"\0\7", long("jti"), struct.pack(">Q", 8)),
    node(1, 10, ID, struct.pack(">Q", 2), long("[]")),
    node(0, 11),
    node(2, 12, ID, struct.pack(">QI", 2, 70)),
    node(0, 11, number=7),
    node(0, 9, ID, b"\1\1", struct.pack(">I", 0xFFFFFFFF)),
]


SUBSCRIBE, UNSUBSCRIBE, WATCH, PUBLISH, HISTORY, TRACK, UNTRACK, SWEEP, LATER, POLL, DRAIN, CLOSE, ASK = 0, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14, 15, 31
HUBS = [
    hub(0, (SUBSCRIBE, 0, 0), (PUBLISH, 0), (PUBLISH, 0), (DRAIN, 0), (UNSUBSCRIBE,)),
    hub(0, *((SUBSCRIBE, 1, who) for who in range(6)), *((PUBLISH, 1, who) for who in range(9)), *((DRAIN, group) for group in range(3)), (ASK, 5)),
    hub(0, (SUBSCRIBE, 0, 2), *((PUBLISH, 0, 0, 70),) * 9, (POLL, 2, 1), (PUBLISH, 0, 3, 70), (DRAIN, 2)),
    hub(0, (SUBSCRIBE, 0, 1), (SUBSCRIBE, 3, 4), *((PUBLISH, 0, 0, 60), (PUBLISH, 3, 0, 60)) * 9, (DRAIN, 1)),
    hub(0, *((PUBLISH, 1),) * 5, *((HISTORY, 1, 0, resume) for resume in range(0, 256, 9))),
    hub(0, *((PUBLISH, 2, 0, 70), (LATER, 80)) * 8, (HISTORY, 2, 0, 33), (SUBSCRIBE, 2, 0, 6), (SWEEP,), (LATER, 255), (SWEEP,)),
    hub(1, *((PUBLISH, 3, 0, 70),) * 5, *((PUBLISH, 1, 0, 79),) * 5, *((PUBLISH, 2, 0, 20),) * 5, (HISTORY, 3, 0, 6)),
    hub(33, (WATCH, 0, 0), (TRACK, 0, 1, 1), (TRACK, 0, 2, 1), (TRACK, 0, 1, 4), (TRACK, 0, 1, 2), (UNTRACK, 0, 1), (UNTRACK, 0, 2), (DRAIN, 0)),
    hub(64, (TRACK, 2, 3, 0), (WATCH, 2, 3), (UNTRACK, 2, 3), (UNSUBSCRIBE,), (WATCH, 2, 3), (TRACK, 2, 3, 0), (DRAIN, 0), (ASK, 1)),
    hub(0, (SUBSCRIBE, 0, 0), (DRAIN, 0), (PUBLISH, 0), (CLOSE, 0, 0), (PUBLISH, 0), (SUBSCRIBE, 0, 3), (PUBLISH, 0), (DRAIN, 0)),
    hub(0, (SUBSCRIBE, 0, 0), (SUBSCRIBE, 0, 0), (PUBLISH, 0, 1), (PUBLISH, 0), (POLL, 0, 0), (UNSUBSCRIBE, 0, 0), (PUBLISH, 0), (DRAIN, 0)),
    hub(224, *((SUBSCRIBE, 0, 0), (PUBLISH, 0), (UNSUBSCRIBE, 0, 0), (SUBSCRIBE, 0, 0, 2), (POLL, 0, 4), (UNSUBSCRIBE, 0, 0)) * 6),
]

# Responses to a client, behind how they are read.
ANSWERS = [
    (0, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    (0, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello and more"),
    (0, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nA: b\r\nHost: c\r\n\r\nHTTP/1.1"),
    (0, b"HTTP/1.1 200 \r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\ndata: 2\n\n"),
    (0, b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx"),
    (0, b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (1, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
    (1, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    (0, b"HTTP/1.1 204 No Content\r\nA:b\r\nA:  c  \r\n\r\n"),
    (0, b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"a\"\r\n\r\n"),
    (0, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    (0, b"HTTP/1.1 100 Continue\r\n\r\n" * 9 + b"HTTP/1.1 204 X\r\n\r\n"),
    (2, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n\x81\x00"),
    (2, b"HTTP/1.1 101 Switching Protocols\r\nContent-Length: 1\r\n\r\nx"),
    (0, b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    (0, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    (0, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    (0, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
    (0, b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"),
    (0, b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n"),
    (0, b"HTTP/1.1 2000 OK\r\n\r\n"),
    (0, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\ncut short"),
]


# Packets of Socket.IO; the first octet says that they are text, or MessagePack.
PACKETS = [
    *(b"\0" + text for text in (
        b"0", b"0/a,", b'0/a,{"token":"1,2"}', b"1", b"1/a,", b'2["a"]', b'2["a",1,{"b":[null,true]}]', b'20["a"]', b'2/a/b,12["a","]"]', b'29007199254740991[""]',
        b"313[]", b"3/a,13[1,[2]]", b'4/a,{"message":"no"}', b'2 [ "a" , 1 ] ', b'2["\\u0061","\\ud800"]', b'51-["a",{"_placeholder":true,"num":0}]', b"2{}", b'2["connect"]',
        b'2["a",' + b"[" * 130 + b"]" * 130 + b"]",
    )),
    *(b"\1" + octets for octets in (
        b"\x82\xa4type\x00\xa3nsp\xa1/", b"\x83\xa4type\x00\xa3nsp\xa1/\xa4data\xd4\x00\x00", b"\x83\xa4type\x02\xa3nsp\xa1/\xa4data\x92\xa1a\xc4\x01\xff",
        b"\x84\xa4type\x03\xa3nsp\xa1/\xa4data\x91\x81\xa1b\xcb?\xf8\0\0\0\0\0\0\xa2id\x07", b"\x83\xa4type\x04\xa3nsp\xa2/a\xa4data\x81\xa7message\xa2no",
    )),
]


def messages(*list):
    """Text and octets as fuzz/src/socketio_assemble.rs takes them."""
    return b"".join(bytes([len(one) * 2 + isinstance(one, bytes)]) + (one if isinstance(one, bytes) else one.encode()) for one in list)


PLACEHOLDERS = ['{"_placeholder":true,"num":%d}' % place for place in range(4)]
ASSEMBLED = [
    messages('2["a"]', '51-["a",%s]' % PLACEHOLDERS[0], b"x", '2["b"]'),
    messages('52-/a,7["a",%s,[%s]]' % (PLACEHOLDERS[1], PLACEHOLDERS[0]), b"first", b"second"),
    messages("63-1[%s]" % ",".join(PLACEHOLDERS[:3]), b"", b"\0" * 100, b"\0" * 100),
    messages("61-1[%s]" % PLACEHOLDERS[0], b"\0" * 127),
    messages("54-[\"a\"]", b"x"),
    messages('51-["a",%s]' % PLACEHOLDERS[3], b"x"),
    messages('51-["a"]', '2["b"]'),
    messages(b"x"),
    messages("0", '2["a"]', "1", "0/a", '2/a,["b"]', "1/a,"),
    messages('51-["a",[[%s]]]' % PLACEHOLDERS[0], b""),
    messages('51-["a",{"num":0,"_placeholder":false}]', b"x"),
    messages('51-["a",{"num":"x","_placeholder":true}]', b"x"),
    messages('51-["a",%s,%s]' % (PLACEHOLDERS[0], PLACEHOLDERS[0]), b"x"),
    messages('53-["a",%s]' % ",".join(PLACEHOLDERS[:3]), b"a", "2"),
    messages("50-[]", b"x"),
    messages("61-[]", b"x"),
    messages('61-12345[null,%s]' % PLACEHOLDERS[0], b"\xff\x00"),
    messages('52-["\\"",{"a":%s,"b":%s}]' % (PLACEHOLDERS[0], PLACEHOLDERS[1]), b"{}", b"[]", '3/b,7["]"]'),
    messages("5999999999999999999999-[]"),
    messages('51-/a,["a"]', b"x", '51-/b,["b"]', b"y"),
]

PAYLOADS = ["4hello", "4hello\x1ebAQIDBA==\x1e4\u00e4", "bAQ\x1ebAQ=\x1ebAQ==", "b", "bA", "bAR==", "2\x1e3\x1e5\x1e6\x1e1", "0{\"sid\":\"a\"}", "abc", "", "4a\x1e", "\x1e", "4" + "x" * 300 + "\x1e4y", "2\x1e" * 40 + "2", "2probe\x1e3probe"]

# A transport, then what happens and with what.
SESSIONS = [
    [1, 0, 50, 5, 0, 0, 49, 0, 1, 0, 30],
    [0, 1, 0, 1, 0, 2, 0],
    [0, 2, 0, 2, 0],
    [0, 1, 0, 4, 0, 5, 48, 5, 80, 5, 112, 8, 0],
    [0, 4, 0, 5, 48, 5, 48, 4, 0, 5, 80],
    [0, 4, 0, 0, 70, 4, 0, 5, 48, 5, 80, 1, 0],
    [0, 1, 0, 3, 0, 3, 1],
    [0, 2, 0, 9, 7, 3, 1, 9, 11, 1, 0],
    [0, 0, 60, 9, 0, 0, 49, 0, 60],
    [1, 5, 160],
    [1, 5, 176, 0, 200, 4, 0],
    [0, 4, 0, 8, 0, 4, 0, 5, 48, 8, 0, 1, 0],
]


def main():
    cases = [case for file in sorted((HERE / "../tests/corpus/http1").glob("*.toml")) for case in tomllib.loads(file.read_text())["case"]]
    conversations = {case["name"]: unescape(case["bytes"]) for case in cases}
    heads = {case["name"] for case in cases if case["events"]}
    bodies = {
        name: octets.split(b"\r\n\r\n", 1)[1]
        for name, octets in conversations.items()
        if name.startswith(("chunk", "trailer", "found")) and b"chunked\r\n\r\n" in octets
    }
    write("request_head", conversations)
    write("differential", {name: octets for name, octets in conversations.items() if name in heads})
    write("splits", {name: bytes([place % 2, 3, 1 + place % 5, 7, 40]) + conversations[name] for place, name in enumerate(conversations)})
    write("chunked", {name: bytes([place % 2, 2, 3, 11]) + bodies[name] for place, name in enumerate(bodies)})
    headers = [case for file in sorted((HERE / "../tests/corpus/proxy").glob("*.toml")) for case in tomllib.loads(file.read_text())["case"]]
    write("proxy_header", {case["name"]: bytes([2, 3 + place % 9, 1]) + unescape(case["bytes"]) for place, case in enumerate(headers)})
    write("cookies", {f"cookies-{place}": bytes([place % 8]) + line.encode() for place, line in enumerate(COOKIES)})
    write("query", {f"query-{place}": text.encode() for place, text in enumerate(QUERIES)})
    write("media_type", {f"type-{place}": text.encode() for place, text in enumerate(MEDIA_TYPES)})
    write("socketio_packet", {f"packet-{place}": octets for place, octets in enumerate(PACKETS)})
    write("socketio_assemble", {f"messages-{place}": octets for place, octets in enumerate(ASSEMBLED)})
    write("relay_message", {f"message-{place}": text.encode() for place, text in enumerate(RELAY)})
    write("engine_payload", {f"payload-{place}": bytes([16 - place % 9, 40 * (place % 4)]) + text.encode() for place, text in enumerate(PAYLOADS)})
    write("engine_session", {f"session-{place}": bytes(octets) for place, octets in enumerate(SESSIONS)})
    write("envelope", {f"envelope-{place}": octets for place, octets in enumerate(ENVELOPES)})
    write("hub_ops", {f"operations-{place}": octets for place, octets in enumerate(HUBS)})
    write("forwarded", {f"forwarded-{place}": line.encode() for place, line in enumerate(FORWARDED)})
    write("file_path", {f"path-{place}": path for place, path in enumerate(PATHS)})
    write("range", {f"range-{place}": fields for place, fields in enumerate(RANGES)})
    write("rate_limit", {f"requests-{place}": bytes(octets) for place, octets in enumerate(RATES)})
    write("traceparent", {f"traceparent-{place}": text.encode() for place, text in enumerate(TRACEPARENTS)})
    write("multipart", {f"multipart-{place}": bytes([1 + place * 3]) + form.encode() for place, form in enumerate(FORMS)})
    write("accept_encoding", {f"accepted-{place}": bytes([12 + place % 3]) + line.encode() for place, line in enumerate(ACCEPT_ENCODINGS)})
    coded = [(which, octets) for which, list in CODED.items() for octets in list]
    write("decompress", {f"coded-{place}": bytes([which | 19 << 2, 0xC3]) + bytes.fromhex(octets) for place, (which, octets) in enumerate(coded)})
    write("client_response", {f"answer-{place}": bytes([how, 3, 1 + place % 5, 7, 40]) + octets for place, (how, octets) in enumerate(ANSWERS)})
    write("response", {f"response-{place}": BEFORE[place % 3] + octets for place, octets in enumerate(RESPONSES)})
    write("router", {f"routes-{place}": "\n".join(lines).encode() for place, lines in enumerate(ROUTES)})

    frames = [case for file in sorted((HERE / "../tests/corpus/ws").glob("*.toml")) for case in tomllib.loads(file.read_text())["case"]]
    frames = {case["name"]: (setting(case), unhex(case["hex"])) for case in frames}
    write("ws_frames", {name: bytes([first]) + octets for name, (first, octets) in frames.items()})
    write("ws_splits", {name: bytes([first, 3, 1 + place % 5, 7, 40]) + octets for place, (name, (first, octets)) in enumerate(frames.items())})
    write("ws_deflate", {f"parts-{place}": bytes([place % 2]) + b"".join(bytes([len(part)]) + part for part in parts) for place, parts in enumerate(DEFLATES)})
    write("ws_handshake", {f"opening-{place}": "\n".join(HANDSHAKE + lines).encode() for place, lines in enumerate(HANDSHAKES)})
    limits = [bytes([2, 2, 1, 5]), bytes([3, 1, 1])]
    write("h2_meter", {f"{name}-{place}": first + octets for name, octets in METERS.items() for place, first in enumerate(limits)})
    settings = [0, 2, 0x40, 0x2A, 0x08, 0x52]
    talks = {name: bytes([settings[place % 6], 2, 7 + place, 40]) + octets for place, (name, octets) in enumerate(TALKS.items())}
    write("h2_server", talks | {name: bytes([1 + 2 * (place % 2), 1, 5]) + octets for place, (name, octets) in enumerate(RAW.items())})
    write("ws_codec", {f"messages-{place}": bytes([place % 8, 2, 3, 11]) + octets for place, octets in enumerate(CODECS)})


def setting(case):
    """The octet of fuzz/src/ws_splits.rs."""
    deflate = {"takeover": 6, "no takeover": 2}.get(case.get("deflate"), 0)
    return (case["role"] == "client") | deflate | (8 if "limits" in case else 0)


def unhex(text):
    text = re.sub(r"\{(\d+)\*([^}]*)\}", lambda match: match[2] * int(match[1]), text)
    return bytes.fromhex(text)


def write(target, inputs):
    """Replaces the seeds of a target by at most MOST of the inputs, chosen by the hash of their names."""
    folder = HERE / "seeds" / target
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    short = [name for name, octets in inputs.items() if len(octets) <= LONGEST]
    for name in sorted(short, key=lambda name: hashlib.sha256(name.encode()).digest())[:MOST]:
        (folder / name).write_bytes(inputs[name])
    print(f"{target}: {len(list(folder.iterdir()))} seeds")


def unescape(text):
    def repeat(match):
        return match[2] * int(match[1])

    text = re.sub(r"\{(\d+)\*([^}]*)\}", repeat, text)
    octets = bytearray()
    for match in re.finditer(r"\\x(..)|\\(.)|([^\\]+)", text, re.DOTALL):
        octets += bytes.fromhex(match[1]) if match[1] else ESCAPES[match[2]] if match[2] else match[3].encode()
    return bytes(octets)


if __name__ == "__main__":
    main()
