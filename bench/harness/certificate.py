"""The certificate that every server under test shows: ECDSA on P-256, for `localhost`, made anew for each run by OpenSSL's program."""

import os
import subprocess
import sys

CONFIG = """\
[req]
distinguished_name = name
x509_extensions = leaf
prompt = no

[name]
CN = localhost

[leaf]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
"""


def make(folder):
    """Writes certificate.pem and key.pem into `folder` and returns their paths, as the values {certificate} and {key} of a command."""
    found = {"certificate": os.path.join(folder, "certificate.pem"), "key": os.path.join(folder, "key.pem")}
    config = os.path.join(folder, "openssl.cnf")
    with open(config, "w") as file:
        file.write(CONFIG)
    made = subprocess.run(
        ["openssl", "req", "-x509", "-config", config, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
         "-keyout", found["key"], "-out", found["certificate"]],
        capture_output=True,
        text=True,
    )
    if made.returncode:
        sys.exit(f"openssl made no certificate: {made.stderr.strip()[-200:]}")
    return found
