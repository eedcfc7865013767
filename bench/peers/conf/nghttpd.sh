#!/bin/sh
# nghttpd.sh PORT WORKERS h2c | tls CERTIFICATE KEY: nghttpd in the foreground, with / as a file of a folder of its own.
set -eu
folder=${TMPDIR:-/tmp}/wireline-bench-nghttpd-$1
mkdir -p "$folder"
printf 'Hello, World!' >"$folder/index.html"
nghttpd=$(command -v nghttpd || echo /usr/sbin/nghttpd)
if [ "$3" = tls ]; then
    exec "$nghttpd" -a 127.0.0.1 -n "$2" -d "$folder" "$1" "$5" "$4"
fi
exec "$nghttpd" -a 127.0.0.1 -n "$2" -d "$folder" --no-tls "$1"
