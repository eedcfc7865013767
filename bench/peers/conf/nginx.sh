#!/bin/sh
# nginx.sh PORT WORKERS [h2c | tls CERTIFICATE KEY]: nginx in the foreground, with a configuration and temporary files of its own. Serves the
# directory FILES of the environment under /files.
set -eu
conf=$(cd "$(dirname "$0")" && pwd)
folder=${TMPDIR:-/tmp}/wireline-bench-nginx-$1
mkdir -p "$folder"
listen=
tls=
case ${3:-} in
    h2c) listen=http2 ;;
    tls)
        listen='ssl http2'
        # As the other servers: TLS 1.2 and 1.3, resumed by tickets.
        tls="ssl_certificate $4; ssl_certificate_key $5; ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets on;"
        ;;
esac
sed -e "s#@WORKERS@#$2#; s#@PORT@#$1#; s#@FOLDER@#$folder#; s#@LISTEN@#$listen#; s#@TLS@#$tls#; s#@FILES@#${FILES:-$folder}#" "$conf/nginx.conf.in" >"$folder/nginx.conf"
exec "$(command -v nginx || echo /usr/sbin/nginx)" -c "$folder/nginx.conf" -p "$folder"
