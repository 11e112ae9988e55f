#!/bin/sh
# What action.yml runs. Its inputs are in the environment; nothing of them is code but
# RUN, which is the user's own.
set -u
DNATRACE=${DNATRACE:-dnatrace}
command -v "$DNATRACE" >/dev/null || { echo "::error title=dnatrace::no program $DNATRACE: install it in an earlier step"; exit 2; }

set -- -o github
[ -z "${EXPECT:-}" ] || set -- "$@" --expect "$EXPECT"
[ -z "${EXPECT_FROM:-}" ] || set -- "$@" --expect-from "$EXPECT_FROM"

set -f # words of TARGETS are no patterns
for target in ${TARGETS:-}; do set -- "$@" --target "$target"; done

code=0
if [ -n "${FILES:-}" ]; then
	newline='
'
	IFS=$newline
	for file in $FILES; do set -- "$@" --read "$file"; done
	"$DNATRACE" replay "$@" || code=$?
else
	[ -n "${RUN:-}" ] || { echo "::error title=dnatrace::give a command to run, or files to judge"; exit 2; }
	[ -z "${RECORDING:-}" ] || set -- "$@" --write "$RECORDING"
	sudo=
	[ "$(id -u)" = 0 ] || sudo="sudo -n"
	$sudo "$DNATRACE" diagnose "$@" -- sh -c "$RUN" || code=$?
fi
[ -z "${GITHUB_OUTPUT:-}" ] || echo "exit-code=$code" >>"$GITHUB_OUTPUT"
exit $code
