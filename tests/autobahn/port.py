"""Ports the installed Autobahn test suite, autobahntestsuite 25.10.1, from Python 2 to 3, in place.

    VENV/bin/python3 port.py

The published package is still Python 2 code: it can be installed with Python 3, and ends at its first import. lib2to3 mends the syntax. Strings
are the rest: what Python 2 took for octets becomes text of Latin-1 inside the suite, and is turned into octets and back where the suite meets the
library `autobahn`, which speaks Python 3. A replacement that finds nothing to replace is an error: then the package is another one.
"""

import pathlib
import re
import sys
import sysconfig

try:
    from lib2to3.refactor import RefactoringTool
except ImportError:
    from fissix.refactor import RefactoringTool

ROOT = pathlib.Path(sysconfig.get_paths()["purelib"]) / "autobahntestsuite"

# Parts that the two fuzzing modes do not need and that would have to be ported too.
DROPPED = ("wampfuzzing", "wamptestee", "wamptestserver", "wsperfcontrol", "wsperfmaster", "testdb", "testrun", "util", "rinterfaces", "serializer", "case/case9_9_1")

FIXERS = ("print", "except", "raise", "has_key", "xrange", "import", "unicode", "basestring", "dict", "numliterals", "long")

HELPERS = '''\
import binascii as _binascii


def to_bytes(value):
    return value.encode("latin-1") if isinstance(value, str) else value


def to_str(value):
    return bytes(value).decode("latin-1") if isinstance(value, (bytes, bytearray, memoryview)) else value


def json_default(value):
    if isinstance(value, (bytes, bytearray)):
        return to_str(value)
    raise TypeError(repr(value))


class binascii:
    @staticmethod
    def b2a_hex(value):
        return _binascii.b2a_hex(to_bytes(value)).decode("ascii")

    hexlify = b2a_hex
'''

# Goes into FuzzingProtocol, the border between the suite and the library.
BORDER = '''\
   def sendFrame(self, opcode, payload = b"", payload_len = None, **k):
      payload = to_bytes(payload)
      if payload_len is not None:
         # The library would divide with / here.
         payload = payload * (payload_len // len(payload)) + payload[:payload_len % len(payload)]
      return super().sendFrame(opcode = opcode, payload = payload, **k)

   def sendMessage(self, payload, *a, **k):
      return super().sendMessage(to_bytes(payload), *a, **k)

   def sendMessageFrameData(self, payload, *a, **k):
      return super().sendMessageFrameData(to_bytes(payload), *a, **k)

   def sendCloseFrame(self, code = None, reasonUtf8 = None, isReply = False):
      result = super().sendCloseFrame(code = code, reasonUtf8 = to_bytes(reasonUtf8), isReply = isReply)
      self.localCloseReason = to_str(self.localCloseReason)
      return result

'''

HELPED = "from autobahntestsuite._py3 import binascii"

# For each file: a text and what takes its place, everywhere.
REPLACED = {
    "case/__init__.py": [
        ("from case9_9_1 import *\n", ""),
    ],
    "case/case.py": [
        ("return pickle.dumps(obj1) == pickle.dumps(obj2)", "return obj1 == obj2"),
    ],
    "case/case10_1_1.py": [
        ("len(self.payload) / self.p.autoFragmentSize", "len(self.payload) // self.p.autoFragmentSize"),
    ],
    "case/case12_x_x.py": [
        ("import copy, os, pkg_resources, hashlib, binascii", f"import copy, os, pkg_resources, hashlib\n{HELPED}, to_bytes"),
        ("def onMessage(self, msg, binary):\n", "def onMessage(self, msg, binary):\n   msg = to_bytes(msg)\n"),
        ("msg = ''", "msg = payload[:0]"),
    ],
    "case/case6_x_x.py": [
        ("res = v.validate(vss[:i])", "res = v.validate(vss[:i].encode('latin-1'))"),
    ],
    "wstest.py": [
        ("import serializer\n", ""),
    ],
    "fuzzing.py": [
        ("import os, json, binascii, ", f"{HELPED}, to_bytes, to_str, json_default\nimport os, json, "),
        ("   try:\n      if len(data) > maxlen - len(ellipses):\n         dd = data[:maxlen] + ellipses",
         "   try:\n      data = to_bytes(data)\n      if len(data) > maxlen - len(ellipses):\n         dd = data[:maxlen] + ellipses.encode()"),
        ("p = ''.join(payload)", "p = b''.join(payload)"),
        ("separators = (',', ': ')", "separators = (',', ': '), default = json_default"),
        ("report_filename), 'w')", "report_filename), 'w', encoding='utf-8', errors='backslashreplace')"),
        ("ll.encode('utf8')", "ll"),
        ("self.http_request_data if hasattr(self, 'http_request_data') else '?'", "to_str(getattr(self, 'http_request_data', '?'))"),
        ("self.http_response_data if hasattr(self, 'http_response_data') else '?'", "to_str(getattr(self, 'http_response_data', '?'))"),
        ("         self.runCase.onMessage(msg, binary)", "         self.runCase.onMessage(to_str(msg), binary)"),
        ("         self.runCase.onPong(payload)", "         self.runCase.onPong(to_str(payload))"),
        ("   def executeContinueLater(", BORDER + "   def executeContinueLater("),
        # Nobody beyond this machine is served.
        ("   listenWS(factory, sslContext)", "   listenWS(factory, sslContext, interface = '127.0.0.1')"),
        # Every server of a list gets the TLS context, not the first alone.
        ("connectWS(self)\n", "connectWS(self, contextFactory = self.contextFactory)\n"),
    ],
}


def main() -> None:
    # Whoever ports what is ported already spoils it.
    if (ROOT / "_py3.py").exists():
        sys.exit(f"{ROOT} is ported already")
    for name in DROPPED:
        (ROOT / f"{name}.py").unlink()
    for path in (ROOT / "wampcase").glob("*.py"):
        path.unlink()
    package = RefactoringTool.__module__.partition(".")[0]
    tool = RefactoringTool([f"{package}.fixes.fix_{name}" for name in FIXERS])
    for path in sorted([*ROOT.glob("*.py"), *ROOT.glob("case/*.py")]):
        if path.name != "_version.py":
            port(path, tool)
    (ROOT / "_py3.py").write_text(HELPERS)


def port(path: pathlib.Path, tool: RefactoringTool) -> None:
    name = path.relative_to(ROOT).as_posix()
    # An octet beyond ASCII in a literal of Python 2 means that octet.
    text = "".join(chr(octet) if octet < 128 else f"\\x{octet:02x}" for octet in path.read_bytes()).replace("\r\n", "\n")
    text = str(tool.refactor_string(text.rstrip("\n") + "\n", str(path)))
    text = re.sub(r"^import binascii\s*$", HELPED, text, flags=re.MULTILINE)
    text = text.replace("(object, Case, )", "(Case, )")
    if name == "__init__.py":
        text = f"import txaio\ntxaio.use_twisted()\n{text}"
    if name == "fuzzing.py":
        text = re.sub(r'f\.write\(\((.*)\)\.encode\("utf-8"\)\)', r"f.write(\1)", text)
    for old, new in REPLACED.get(name, []):
        if old not in text:
            sys.exit(f"port.py: {name} has no {old!r}")
        text = text.replace(old, new)
    compile(text, str(path), "exec")
    path.write_text(text)


if __name__ == "__main__":
    main()
