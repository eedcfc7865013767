#!/usr/bin/env bash
# Puts the Autobahn test suite into a Python environment of its own; a second run with the same versions takes no time.
#
#     bash tests/autobahn/setup.sh FOLDER
set -euo pipefail
folder=$1
cd "$(dirname "$0")"

SUITE=autobahntestsuite==25.10.1

stamp=$folder/wireline-stamp
wanted=$(echo "$SUITE" | cat - requirements.txt port.py | sha256sum)
if [ -x "$folder/bin/wstest" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    exit 0
fi

echo 'building the environment of the Autobahn test suite'
rm -rf "$folder"
# Python may have been found in there.
hash -r
python3 -m venv "$folder"
"$folder/bin/python3" -m pip install --quiet --requirement requirements.txt
"$folder/bin/python3" -m pip install --quiet --no-deps "$SUITE"
"$folder/bin/python3" -W ignore port.py
# Says its version, which shows that it can be imported.
"$folder/bin/wstest" --autobahnversion
echo "$wanted" >"$stamp"
