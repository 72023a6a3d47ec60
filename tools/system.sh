#!/bin/sh
# Install missing system packages where we are root on Debian; elsewhere name them. Arguments: package:what-to-look-for (a program, a library, or a path)
missing=""
for pair in "$@"; do
    what=${pair#*:}
    command -v "$what" >/dev/null 2>&1 || ldconfig -p 2>/dev/null | grep -q "$what" ||
        ls $what >/dev/null 2>&1 || missing="$missing ${pair%%:*}"
done
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null && exit 0
fi
echo "Not installed:$missing. Live capture and making the sample again need them (Debian: sudo apt-get install$missing);" \
     "everything else works without, and the tests that need them are skipped." >&2
exit 0
