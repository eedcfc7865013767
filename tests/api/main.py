"""The public API of the library, one line an item, held to `tests/api/wireline.txt`.

    python3 tests/api/main.py            fails, and shows the lines, where the API is another one than the file says
    python3 tests/api/main.py --write    writes the file anew
    python3 tests/api/main.py --sweep    lists what has no example, futures that do not say what giving them up costs, and what a `Result` fails with
                                         and is no `Error`; fails where there are any

It reads what rustdoc says as JSON. That format is unstable, so it belongs to the toolchain; when this stops reading it, `render.py` is the place.
Lines are what a user can write, and what a user's program depends on: paths, signatures, fields, variants, implementations of traits. What the
compiler finds out by itself (`Send`, `Unpin`) is left out, but for where it is not so.
"""

import difflib
import json
import os
import pathlib
import subprocess
import sys

from render import Api
from sweep import sweep

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILE = ROOT / "tests/api/wireline.txt"


def main() -> int:
    wanted = sys.argv[1:]
    if wanted not in ([], ["--write"], ["--sweep"]):
        print(__doc__, file=sys.stderr)
        return 2
    api = Api(document())
    if wanted == ["--sweep"]:
        return sweep(api)
    lines = api.lines()
    if wanted == ["--write"]:
        FILE.write_text("".join(f"{line}\n" for line in lines))
        print(f"{FILE.relative_to(ROOT)}: {len(lines)} lines")
        return 0
    known = FILE.read_text().splitlines() if FILE.exists() else []
    changes = [line for line in difflib.unified_diff(known, lines, n=0, lineterm="") if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    print(*changes, sep="\n", end="\n" if changes else "")
    if changes:
        print(f"the public API is not what {FILE.relative_to(ROOT)} says: `python3 tests/api/main.py --write` says so there, CHANGELOG.md to users")
        return 1
    print(f"the public API is what it was: {len(lines)} lines")
    return 0


def document() -> dict:
    """What rustdoc says about the library with all its features."""
    environment = dict(os.environ, RUSTDOC=str(ROOT / "tests/api/rustdoc"))
    command = ["cargo", "rustdoc", "--quiet", "--locked", "--package", "wireline", "--lib", "--all-features"]
    command += ["--", "-Zunstable-options", "--output-format=json", "--cap-lints=allow"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target"))
    return json.loads((ROOT / target / "doc/wireline.json").read_text())


if __name__ == "__main__":
    sys.exit(main())
