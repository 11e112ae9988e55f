#!/bin/sh
# Puts the real output of the demo into README.md and README.zh-CN.md, between their two
# markers. Run by make readme, as root: elsewhere the demo replays a recording. script(1)
# gives the demo a terminal of 100 columns.
set -eu
cd "$(dirname "$0")/.."

scenario=${1:-forward-drop}
out=$(mktemp)
trap 'rm -f "$out" "$out.md"' EXIT

# demo PAGE FLAGS
demo() {
	page=$1 flags=$2
	{
		printf '```console\n$ sudo dnatrace demo %s\n' "$scenario$flags"
		script -qec "stty cols 100; LC_ALL=C.UTF-8 NO_COLOR=1 ${DNATRACE:-./bin/dnatrace} demo $scenario$flags" /dev/null | tr -d '\r'
		printf '```\n'
	} >"$out"
	awk -v file="$out" '
		/^<!-- demo output -->$/ { print; while ((getline line < file) > 0) print line; skip = 1; next }
		/^<!-- end of demo output -->$/ { skip = 0 }
		!skip
	' "$page" >"$out.md"
	cat "$out.md" >"$page"
}

for page in ${PAGES:-README.md README.zh-CN.md}; do
	case $page in
	*.zh-CN.md) demo "$page" " --lang zh" ;;
	*) demo "$page" "" ;;
	esac
done
