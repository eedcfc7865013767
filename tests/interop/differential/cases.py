"""Requests written by hand for what parsers are known to read differently: where the lines end, how long the content is, which request it belongs to.

The classes are those of RFC 9112 section 11.2 and of published request smuggling: two lengths, a length and a coding, codings that only some
take for chunked, chunk lines that only some accept, heads whose lines only some divide at the same place.
"""


def requests() -> dict[str, bytes]:
    """Name and octets of every case."""
    found: dict[str, bytes] = {}
    for make in (_plain, _lengths, _codings, _both, _chunks, _trailers, _heads, _request_lines, _hosts, _sequences):
        for name, octets in make().items():
            assert name not in found, name
            found[name] = octets
    return found


def _plain() -> dict[str, bytes]:
    return {
        "get": GET + END,
        "get-two": GET + END + GET + END,
        "post-length": POST + b"Content-Length: 5\r\n\r\nhello",
        "post-length-zero": POST + b"Content-Length: 0\r\n\r\n",
        "post-no-length": POST + END,
        "post-chunked": POST + TE + b"\r\n5\r\nhello\r\n0\r\n\r\n",
        "post-length-short": POST + b"Content-Length: 4\r\n\r\nhello",
        "post-length-long": POST + b"Content-Length: 1000\r\n\r\nhello",
        "post-hides-get": POST + b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
        "post-chunk-hides-get": POST + TE + b"\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN),
        "get-with-length": GET + b"Content-Length: 5\r\n\r\nhello",
        "get-length-hides-get": GET + b"Content-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
        "get-with-chunks": GET + TE + b"\r\n5\r\nhello\r\n0\r\n\r\n",
        "get-no-length-but-octets": GET + END + b"hello\r\n\r\n",
        "head-with-length": b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "delete-with-chunks": b"DELETE / HTTP/1.1\r\nHost: a\r\n" + TE + b"\r\n5\r\nhello\r\n0\r\n\r\n",
        "options-with-length": b"OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "expect-with-length": POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
        "expect-with-chunks": POST + b"Expect: 100-continue\r\n" + TE + b"\r\n5\r\nhello\r\n0\r\n\r\n",
        "expect-obfuscated": POST + b"Expect: y 100-continue\r\nContent-Length: 5\r\n\r\nhello",
        "expect-without-content": GET + b"Expect: 100-continue\r\n\r\n",
        "upgrade-with-length": POST + b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello",
        "upgrade-then-hidden": GET + b"Connection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n" + HIDDEN,
    }


def _lengths() -> dict[str, bytes]:
    values = {
        "plus": b"+5", "minus": b"-5", "hex": b"0x5", "leading-zero": b"05", "underscore": b"0_5", "space-inside": b"5 5", "comma-same": b"5, 5", "comma-other": b"5, 6",
        "comma-empty": b"5,", "empty": b"", "blank": b" \t ", "letter": b"5a", "point": b"5.0", "exponent": b"5e0", "quoted": b'"5"', "tab-after": b"5\t", "vt-before": b"\x0b5",
        "ff-after": b"5\x0c", "nbsp": b"\xa05", "cr-after": b"5\r", "nul-after": b"5\0", "nul-before": b"\x005", "overflow": b"18446744073709551621", "overflow-2": b"9" * 40,
        "max": b"18446744073709551615", "arabic-digit": "\u0665".encode(), "semicolon": b"5;5", "newline": b"5\n",
    }  # fmt: skip
    found = {f"length-{name}": POST + b"Content-Length: %s\r\n\r\nhello" % value for name, value in values.items()}
    names = {
        "upper": b"CONTENT-LENGTH: 5", "no-space": b"Content-Length:5", "many-spaces": b"Content-Length:      5   ", "tab": b"Content-Length:\t5", "space-before-colon": b"Content-Length : 5",
        "tab-before-colon": b"Content-Length\t: 5", "leading-space": b" Content-Length: 5", "leading-tab": b"\tContent-Length: 5", "underscore-name": b"Content_Length: 5",
        "nul-in-name": b"Content-Length\0: 5", "vt-before-colon": b"Content-Length\x0b: 5", "folded": b"Content-Length:\r\n 5", "folded-tab": b"Content-Length:\r\n\t5",
        "in-a-value": b"X: y\rContent-Length: 5", "behind-lf": b"X: y\nContent-Length: 5", "quotes": b"\"Content-Length\": 5", "high-octet": b"Content-Length\xff: 5",
    }  # fmt: skip
    found |= {f"length-name-{name}": POST + line + b"\r\n\r\nhello" for name, line in names.items()}
    found |= {
        "length-twice-same": POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "length-twice-short-first": POST + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
        "length-twice-long-first": POST + b"Content-Length: %d\r\nContent-Length: 0\r\n\r\n" % len(HIDDEN) + HIDDEN,
        "length-twice-one-hidden": POST + b"Content-Length: 5\r\nContent-Length : 0\r\n\r\nhello",
        "length-on-get-twice": GET + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    }
    return found


def _codings() -> dict[str, bytes]:
    values = {
        "upper": b"CHUNKED", "mixed": b"cHuNkEd", "twice": b"chunked, chunked", "leading-comma": b",chunked", "trailing-comma": b"chunked,", "identity": b"identity", "identity-chunked": b"identity, chunked",
        "chunked-identity": b"chunked, identity", "gzip-chunked": b"gzip, chunked", "chunked-gzip": b"chunked, gzip", "x": b"xchunked", "suffix": b"chunkedx", "parameter": b"chunked;q=1", "quoted": b'"chunked"',
        "empty": b"", "blank": b"  ", "tab": b"\tchunked", "vt": b"\x0bchunked", "ff-after": b"chunked\x0c", "nbsp": b"\xa0chunked", "nul": b"chunked\0", "nul-before": b"\0chunked", "cr": b"\rchunked", "cr-after": b"chunked\r",
        "lf": b"\nchunked", "folded": b"\r\n chunked", "folded-after": b"chunked\r\n ", "space-in": b"chun ked", "colon": b": chunked", "comma-space": b"chunked ,", "unknown": b"cow", "unknown-chunked": b"cow, chunked", "brackets": b"[chunked]",
        "two-words": b"chunked chunked", "trailers": b"trailers, chunked", "high": b"chunked\xff", "long-s": "chun\u212aed".encode(),
    }  # fmt: skip
    body = b"5\r\nhello\r\n0\r\n\r\n"
    found = {f"coding-{name}": POST + b"Transfer-Encoding: %s\r\n\r\n" % value + body for name, value in values.items()}
    names = {
        "space-before-colon": b"Transfer-Encoding : chunked", "tab-before-colon": b"Transfer-Encoding\t: chunked", "leading-space": b" Transfer-Encoding: chunked", "underscore": b"Transfer_Encoding: chunked",
        "no-hyphen": b"TransferEncoding: chunked", "nul": b"Transfer-Encoding\0: chunked", "behind-lf": b"X: y\nTransfer-Encoding: chunked", "behind-cr": b"X: y\rTransfer-Encoding: chunked", "vt": b"Transfer-Encoding\x0b: chunked",
        "no-colon": b"Transfer-Encoding chunked", "high-octet": b"Transfer-Encoding\xa0: chunked", "in-fold": b"X: y\r\n Transfer-Encoding: chunked",
    }  # fmt: skip
    found |= {f"coding-name-{name}": POST + line + b"\r\n\r\n" + body for name, line in names.items()}
    found |= {
        "coding-two-fields": POST + TE + TE + b"\r\n" + body,
        "coding-two-fields-unknown-first": POST + b"Transfer-Encoding: cow\r\n" + TE + b"\r\n" + body,
        "coding-two-fields-unknown-last": POST + TE + b"Transfer-Encoding: cow\r\n\r\n" + body,
        "coding-two-fields-identity": POST + TE + b"Transfer-Encoding: identity\r\n\r\n" + body,
        "coding-on-1.0": b"POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n" + TE + b"\r\n" + body,
        "coding-unknown-and-hidden": POST + b"Transfer-Encoding: cow\r\n\r\n" + HIDDEN,
        "te-field-is-not-framing": POST + b"TE: chunked\r\nContent-Length: 5\r\n\r\nhello",
    }
    return found


def _both() -> dict[str, bytes]:
    chunks = b"0\r\n\r\n"
    hidden = chunks + HIDDEN
    found = {
        "length-and-chunked": POST + b"Content-Length: %d\r\n" % len(hidden) + TE + b"\r\n" + hidden,
        "chunked-and-length": POST + TE + b"Content-Length: %d\r\n\r\n" % len(hidden) + hidden,
        "length-4-and-chunked": POST + b"Content-Length: 4\r\n" + TE + b"\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN),
        "length-0-and-chunked": POST + b"Content-Length: 0\r\n" + TE + b"\r\n" + hidden,
        "length-and-chunked-on-get": GET + b"Content-Length: %d\r\n" % len(hidden) + TE + b"\r\n" + hidden,
        "length-and-chunked-on-1.0": b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: %d\r\n" % len(hidden) + TE + b"\r\n" + hidden,
        "length-and-identity": POST + b"Content-Length: 5\r\nTransfer-Encoding: identity\r\n\r\nhello",
    }
    for name, line in {
        "space": b"Transfer-Encoding : chunked", "fold": b"Transfer-Encoding:\r\n chunked", "lf": b"X: y\nTransfer-Encoding: chunked", "x": b"Transfer-Encoding: xchunked", "vt": b"Transfer-Encoding: \x0bchunked",
        "comma": b"Transfer-Encoding: ,chunked", "quoted": b"Transfer-Encoding: 'chunked'", "empty": b"Transfer-Encoding:", "underscore": b"Transfer_Encoding: chunked", "leading-space": b" Transfer-Encoding: chunked",
    }.items():  # fmt: skip
        found[f"length-and-coding-{name}"] = POST + b"Content-Length: %d\r\n%s\r\n\r\n" % (len(hidden), line) + hidden
    return found


def _chunks() -> dict[str, bytes]:
    bodies = {
        "leading-zeros": b"00005\r\nhello\r\n0\r\n\r\n", "upper-hex": b"A\r\nhellohello\r\n0\r\n\r\n", "last-many-zeros": b"5\r\nhello\r\n000\r\n\r\n", "sixteen-digits": b"0000000000000005\r\nhello\r\n0\r\n\r\n",
        "seventeen-digits": b"00000000000000005\r\nhello\r\n0\r\n\r\n", "overflow": b"10000000000000005\r\nhello\r\n0\r\n\r\n", "plus": b"+5\r\nhello\r\n0\r\n\r\n", "minus": b"-5\r\nhello\r\n0\r\n\r\n", "0x": b"0x5\r\nhello\r\n0\r\n\r\n",
        "space-before": b" 5\r\nhello\r\n0\r\n\r\n", "space-after": b"5 \r\nhello\r\n0\r\n\r\n", "tab-after": b"5\t\r\nhello\r\n0\r\n\r\n", "no-size": b"\r\nhello\r\n0\r\n\r\n", "only-ext": b";x\r\nhello\r\n0\r\n\r\n", "letter": b"5g\r\nhello\r\n0\r\n\r\n",
        "underscore": b"0_5\r\nhello\r\n0\r\n\r\n", "nul": b"5\0\r\nhello\r\n0\r\n\r\n", "lf-after-size": b"5\nhello\r\n0\r\n\r\n", "cr-after-size": b"5\rhello\r\n0\r\n\r\n", "crcr-after-size": b"5\r\r\nhello\r\n0\r\n\r\n", "lf-after-data": b"5\r\nhello\n0\r\n\r\n",
        "cr-after-data": b"5\r\nhello\r0\r\n\r\n", "nothing-after-data": b"5\r\nhello0\r\n\r\n", "two-octets-after-data": b"5\r\nhelloXX0\r\n\r\n", "octet-too-much": b"5\r\nhello!\r\n0\r\n\r\n", "octet-too-few": b"5\r\nhell\r\n0\r\n\r\n", "lf-at-the-end": b"5\r\nhello\r\n0\r\n\n",
        "lf-alone-at-the-end": b"5\r\nhello\r\n0\n\n", "cr-at-the-end": b"5\r\nhello\r\n0\r\n\r", "no-end": b"5\r\nhello\r\n0\r\n", "ext": b"5;a=b\r\nhello\r\n0\r\n\r\n", "ext-spaces": b"5 ; a = b\r\nhello\r\n0\r\n\r\n", "ext-quoted": b'5;a="b c"\r\nhello\r\n0\r\n\r\n',
        "ext-quoted-crlf": b'5;a="\r\nhello\r\n0\r\n\r\n', "ext-lf": b"5;a=b\nhello\r\n0\r\n\r\n", "ext-lf-hides": b"0;a\n\r\n\r\n" + HIDDEN, "ext-cr": b"5;a\rb\r\nhello\r\n0\r\n\r\n", "ext-nul": b"5;a\0b\r\nhello\r\n0\r\n\r\n", "ext-no-name": b"5;\r\nhello\r\n0\r\n\r\n",
        "ext-no-semicolon": b"5 a=b\r\nhello\r\n0\r\n\r\n", "ext-high": b"5;a=\xff\r\nhello\r\n0\r\n\r\n", "ext-del": b"5;a=\x7f\r\nhello\r\n0\r\n\r\n", "ext-on-last": b"5\r\nhello\r\n0;a=b\r\n\r\n", "size-hides": b"5\r\nhello\r\n0\r\n\r\n" + HIDDEN, "empty-line-between": b"5\r\nhello\r\n\r\n0\r\n\r\n",
        "last-is-minus-zero": b"5\r\nhello\r\n-0\r\n\r\n", "comma": b"5,5\r\nhello\r\n0\r\n\r\n", "point": b"5.0\r\nhello\r\n0\r\n\r\n", "nbsp": b"\xa05\r\nhello\r\n0\r\n\r\n", "vt": b"\x0b5\r\nhello\r\n0\r\n\r\n", "colon": b"5:\r\nhello\r\n0\r\n\r\n",
        "many": b"1\r\nx\r\n" * 100 + b"0\r\n\r\n", "space-on-last": b"5\r\nhello\r\n0 \r\n\r\n", "huge-size": b"fffffffffffffff0\r\nhello\r\n0\r\n\r\n", "semicolon-lf": b"5;\nhello\r\n0\r\n\r\n", "lf-lf-data": b"2\r\n\n\n\r\n0\r\n\r\n",
    }  # fmt: skip
    return {f"chunk-{name}": POST + TE + b"\r\n" + body for name, body in bodies.items()}


def _trailers() -> dict[str, bytes]:
    trailers = {
        "one": b"X: y\r\n", "two": b"X: y\r\nZ: w\r\n", "length": b"Content-Length: 5\r\n", "coding": b"Transfer-Encoding: chunked\r\n", "host": b"Host: b\r\n", "no-colon": b"X\r\n", "space-before-colon": b"X : y\r\n", "folded": b"X: y\r\n z\r\n",
        "bare-lf": b"X: y\nZ: w\r\n", "bare-cr": b"X: y\rZ: w\r\n", "nul": b"X: \0\r\n", "leading-space": b" X: y\r\n", "request-line": b"GET /hidden HTTP/1.1\r\nHost: a\r\n", "lf-end": b"X: y\r\n\n", "empty-name": b": y\r\n", "high": b"X: \xff\r\n", "crcrlf": b"X: y\r\r\n",
    }  # fmt: skip
    return {f"trailer-{name}": POST + TE + b"\r\n5\r\nhello\r\n0\r\n" + lines + END for name, lines in trailers.items()}


def _heads() -> dict[str, bytes]:
    heads = {
        "lf-everywhere": b"GET / HTTP/1.1\nHost: a\n\n", "lf-after-request-line": b"GET / HTTP/1.1\nHost: a\r\n\r\n", "lf-in-fields": b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", "lf-ends-head": b"GET / HTTP/1.1\r\nHost: a\r\n\n",
        "lflf-in-value": b"GET / HTTP/1.1\r\nHost: a\r\nX: y\n\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n", "cr-in-value": b"GET / HTTP/1.1\r\nHost: a\r\nX: y\rz\r\n\r\n", "cr-everywhere": b"GET / HTTP/1.1\rHost: a\r\r", "crcrlf": b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n",
        "crcrlf-ends-head": b"GET / HTTP/1.1\r\nHost: a\r\n\r\r\n", "nul-in-value": b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", "nul-in-name": b"GET / HTTP/1.1\r\nHost: a\r\nX\0: y\r\n\r\n", "control-in-value": b"GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n",
        "del-in-value": b"GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", "high-in-value": b"GET / HTTP/1.1\r\nHost: a\r\nX: \xe9\xff\r\n\r\n", "high-in-name": b"GET / HTTP/1.1\r\nHost: a\r\nX\xe9: y\r\n\r\n", "empty-name": b"GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n",
        "empty-value": b"GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n", "blank-value": b"GET / HTTP/1.1\r\nHost: a\r\nX: \t \r\n\r\n", "tab-in-value": b"GET / HTTP/1.1\r\nHost: a\r\nX: a\tb\r\n\r\n", "no-colon": b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
        "space-in-name": b"GET / HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n", "folded": b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", "folded-tab": b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\tz\r\n\r\n", "folded-blank": b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n \r\n\r\n",
        "folded-first": b"GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n", "every-token-octet": b"GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~09azAZ: y\r\n\r\n", "delimiter-in-name": b"GET / HTTP/1.1\r\nHost: a\r\nX(y): z\r\n\r\n", "slash-in-name": b"GET / HTTP/1.1\r\nHost: a\r\nX/y: z\r\n\r\n",
        "no-fields-1.0": b"GET / HTTP/1.0\r\n\r\n", "sixty-fields": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 60 + b"\r\n", "long-value": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 8000 + b"\r\n\r\n", "no-end": b"GET / HTTP/1.1\r\nHost: a\r\n",
        "unicode-newline": b"GET / HTTP/1.1\r\nHost: a\r\nX: y\xe2\x80\xa8Content-Length: 5\r\n\r\n", "nel": b"GET / HTTP/1.1\r\nHost: a\r\nX: y\x85Content-Length: 5\r\n\r\n", "connection-length": POST + b"Connection: content-length\r\nContent-Length: 5\r\n\r\nhello",
    }  # fmt: skip
    return {f"head-{name}": octets for name, octets in heads.items()}


def _request_lines() -> dict[str, bytes]:
    lines = {
        "two-spaces": b"GET  / HTTP/1.1", "two-spaces-behind": b"GET /  HTTP/1.1", "tab": b"GET\t/ HTTP/1.1", "tab-behind": b"GET /\tHTTP/1.1", "space-before": b" GET / HTTP/1.1", "space-at-end": b"GET / HTTP/1.1 ", "space-in-target": b"GET /a b HTTP/1.1", "no-version": b"GET /",
        "no-target": b"GET HTTP/1.1", "lower-method": b"get / HTTP/1.1", "unknown-method": b"PATCH / HTTP/1.1", "lower-http": b"GET / http/1.1", "1.2": b"GET / HTTP/1.2", "1.9": b"GET / HTTP/1.9", "2.0": b"GET / HTTP/2.0", "0.9": b"GET / HTTP/0.9", "1.10": b"GET / HTTP/1.10", "01.1": b"GET / HTTP/01.1", "1,1": b"GET / HTTP/1,1",
        "1": b"GET / HTTP/1", "https": b"GET / HTTPS/1.1", "vt": b"GET\x0b/ HTTP/1.1", "nbsp": b"GET\xa0/ HTTP/1.1", "nul": b"GET /\0 HTTP/1.1", "high-target": b"GET /\xe9 HTTP/1.1", "del": b"GET /\x7f HTTP/1.1", "cr": b"GET /\r HTTP/1.1", "fragment": b"GET /#a HTTP/1.1", "no-slash": b"GET a HTTP/1.1", "query": b"GET /?a=b&c=%0d%0a HTTP/1.1",
        "double-slash": b"GET //a/b HTTP/1.1", "absolute": b"GET http://a/ HTTP/1.1", "absolute-other-host": b"GET http://b/ HTTP/1.1", "absolute-no-path": b"GET http://a HTTP/1.1", "absolute-userinfo": b"GET http://u@a/ HTTP/1.1", "absolute-ftp": b"GET ftp://a/ HTTP/1.1", "asterisk": b"GET * HTTP/1.1", "options-asterisk": b"OPTIONS * HTTP/1.1",
        "authority": b"GET a:80 HTTP/1.1", "connect": b"CONNECT a:80 HTTP/1.1", "connect-path": b"CONNECT / HTTP/1.1", "delimiters": b"GET /{}|\\^`\"<> HTTP/1.1", "bad-escape": b"GET /%zz HTTP/1.1", "dots": b"GET /../.. HTTP/1.1", "token-method": b"A!#$%&'*+-.^_`|~ / HTTP/1.1", "empty-method": b" / HTTP/1.1", "colon-method": b"GET: / HTTP/1.1",
    }  # fmt: skip
    return {f"line-{name}": line + b"\r\nHost: a\r\n\r\n" for name, line in lines.items()}


def _hosts() -> dict[str, bytes]:
    hosts = {
        "missing": b"", "empty": b"Host:\r\n", "twice": b"Host: a\r\nHost: a\r\n", "twice-other": b"Host: a\r\nHost: b\r\n", "list": b"Host: a, b\r\n", "space": b"Host: a b\r\n", "userinfo": b"Host: u@a\r\n", "path": b"Host: a/b\r\n", "port": b"Host: a:80\r\n", "empty-port": b"Host: a:\r\n", "bad-port": b"Host: a:8x\r\n",
        "big-port": b"Host: a:99999\r\n", "ipv6": b"Host: [::1]:80\r\n", "open-bracket": b"Host: [::1\r\n", "underscore": b"Host: a_b\r\n", "nul": b"Host: a\0\r\n", "high": b"Host: \xe9\r\n", "percent": b"Host: a%20b\r\n", "folded": b"Host:\r\n a\r\n", "space-before-colon": b"Host : a\r\n", "upper": b"HOST: A\r\n",
    }  # fmt: skip
    return {f"host-{name}": b"GET / HTTP/1.1\r\n" + lines + b"\r\n" for name, lines in hosts.items()}


def _sequences() -> dict[str, bytes]:
    one = GET + END
    keep = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    return {
        "crlf-first": b"\r\n" + one, "crlf-crlf-first": b"\r\n\r\n" + one, "lf-first": b"\n" + one, "cr-first": b"\r" + one, "space-first": b" " + one, "nul-first": b"\0" + one, "bom-first": b"\xef\xbb\xbf" + one,
        "crlf-between": one + b"\r\n" + one, "lf-between": one + b"\n" + one, "cr-between": one + b"\r" + one, "crlf-after-content": POST + b"Content-Length: 5\r\n\r\nhello\r\n", "lf-after-content": POST + b"Content-Length: 5\r\n\r\nhello\n", "crlf-after-chunks": POST + TE + b"\r\n0\r\n\r\n\r\n", "space-between": one + b" " + one,
        "good-then-bad": one + b"GET / HTTP/1.1\r\nHost : a\r\n\r\n" + one, "mixed": one + POST + b"Content-Length: 5\r\n\r\nhello" + POST + TE + b"\r\n5\r\nhello\r\n0\r\n\r\n" + one, "ten": one * 10, "1.0": b"GET / HTTP/1.0\r\n\r\n" + one, "1.0-keep-alive": keep + one, "1.0-keep-alive-post": b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
        "1.0-post-no-length": b"POST / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "1.0-close-and-keep-alive": b"GET / HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n" + one, "close": GET + b"Connection: close\r\n\r\n" + one, "close-post": POST + b"Connection: close\r\nContent-Length: 5\r\n\r\nhello" + one, "close-upper": GET + b"Connection: CLOSE\r\n\r\n" + one,
        "close-in-list": GET + b"Connection: x, close\r\n\r\n" + one, "not-close": GET + b"Connection: closed\r\n\r\n" + one, "close-second-field": GET + b"Connection: x\r\nConnection: close\r\n\r\n" + one, "post-no-length-then-get": POST + END + one, "zero-nine": b"GET /\r\n" + one, "half-a-request": one + b"GET / HTTP/1.1\r\nHo", "nothing": b"",
        "keep-alive-on-1.1": GET + b"Connection: keep-alive\r\n\r\n" + one, "smuggled-in-a-close": GET + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    }  # fmt: skip


GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
TE = b"Transfer-Encoding: chunked\r\n"
END = b"\r\n"
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n"
