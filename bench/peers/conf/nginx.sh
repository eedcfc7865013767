#!/bin/sh
# nginx.sh PORT WORKERS: nginx in the foreground, with a configuration and temporary files of its own.
set -eu
conf=$(cd "$(dirname "$0")" && pwd)
folder=${TMPDIR:-/tmp}/wireline-bench-nginx-$1
mkdir -p "$folder"
sed -e "s#@WORKERS@#$2#; s#@PORT@#$1#; s#@FOLDER@#$folder#" "$conf/nginx.conf.in" >"$folder/nginx.conf"
exec "$(command -v nginx || echo /usr/sbin/nginx)" -c "$folder/nginx.conf" -p "$folder"
