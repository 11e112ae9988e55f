#!/bin/sh
# Puts the real output of the demo into README.md, between its two markers.
# Run by make readme, as root: elsewhere the demo replays a recording.
set -eu
cd "$(dirname "$0")/.."

scenario=${1:-forward-drop}
out=$(mktemp)
trap 'rm -f "$out" "$out.md"' EXIT

{
	printf '```console\n$ sudo dnatrace demo %s\n' "$scenario"
	LC_ALL=C.UTF-8 NO_COLOR=1 ./bin/dnatrace demo "$scenario" 2>&1
	printf '```\n'
} >"$out"

awk -v file="$out" '
	/^<!-- demo output -->$/ { print; while ((getline line < file) > 0) print line; skip = 1; next }
	/^<!-- end of demo output -->$/ { skip = 0 }
	!skip
' README.md >"$out.md"
cat "$out.md" >README.md
