#!/bin/sh
# CityLoom @release@. Installs without a network: sh THIS_FILE --prefix /opt/cityloom
# A zip follows these lines: `unzip -l` lists what is in it, and SHA256SUMS in it has the hash of each file.
set -eu
if [ "$(wc -c <"$0")" -ne @bytes@ ]; then
    echo "$0 is not whole. Copy it again, and compare it with its .sha256." >&2
    exit 1
fi
for version in @pythons@; do
    for name in "python$version" python3; do
        if "$name" -c "import sys, venv; sys.exit('%d.%d' % sys.version_info[:2] != '$version')" >/dev/null 2>&1; then
            exec "$name" -I -B "$0" "$@"
        fi
    done
done
echo "None of the Pythons that this file has packages for is here: @pythons@." >&2
exit 1
