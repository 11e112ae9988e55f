#!/bin/sh
# Installs a .deb into a root of its own, uses what it installed there, removes it, and
# looks for what is left. The machine is not changed.
#
#     packaging/try-deb.sh dist/dnatrace-…-linux-amd64.deb
set -eu
deb=$(realpath "${1:?name a .deb}")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
fail() { echo "$0: $*" >&2; exit 1; }

mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates" "$root/var/log"
: >"$root/var/lib/dpkg/status"
: >"$root/before"
find "$root" -mindepth 1 | sort >"$root/before"

as_root=
[ "$(id -u)" = 0 ] || as_root="fakeroot --"
package() { $as_root dpkg --root="$root" --force-not-root --force-script-chrootless --log=/dev/null "$@" >"$root/log" 2>&1 || { cat "$root/log" >&2; fail "dpkg $*"; }; }

package --install "$deb"
[ "$(dpkg-query --admindir="$root/var/lib/dpkg" -W -f '${Status}' dnatrace)" = "install ok installed" ] || fail "it is not installed"
program=$root/usr/bin/dnatrace
for file in "$program" "$root/usr/share/doc/dnatrace/copyright" "$root/usr/share/doc/dnatrace/LICENSES.txt" \
	"$root/usr/share/man/man8/dnatrace.8" "$root/usr/share/man/man8/dnatrace-diagnose.8" \
	"$root/usr/share/bash-completion/completions/dnatrace" "$root/usr/share/zsh/vendor-completions/_dnatrace" \
	"$root/usr/share/fish/vendor_completions.d/dnatrace.fish"; do
	[ -s "$file" ] || [ -s "$file.gz" ] || fail "${file#"$root"} is missing"
done
[ "$(readlink "$root/usr/libexec/docker/cli-plugins/docker-dnatrace")" = /usr/bin/dnatrace ] || fail "the plugin of docker's command is not the program"

# the program is of this package, of its version, and works
packaged=$(dpkg-deb -f "$deb" Version)
"$program" --version >"$root/version"
for word in "commit " "recording format " "JSON schema "; do
	grep -q "^$word" "$root/version" || { cat "$root/version" >&2; fail "--version does not tell the $word"; }
done
said=$(sed -n '1s/^dnatrace \(version \)\{0,1\}v\{0,1\}//p' "$root/version" | sed 's/-/~/g; s/ .*//')
case ~$packaged in *"~$said") ;; *) fail "the package is of version $packaged, the program of $said" ;; esac
code=0
"$program" replay fixtures/testdata/firewall-drop/recording.pcapng.gz --expect dropped:firewall-drop >"$root/out" || code=$?
[ $code = 0 ] || { cat "$root/out" >&2; fail "replay: exit $code"; }
"$program" docker-cli-plugin-metadata | grep -q '"SchemaVersion"' || fail "docker would not take it for a plugin"

package --remove dnatrace
package --purge dnatrace
rm -f "$root/log" "$root/version" "$root/out"
left=$(find "$root" -mindepth 1 -not -path "$root/var/lib/dpkg*" | sort | comm -13 "$root/before" - | sed "s,^$root,,")
[ -z "$left" ] || fail "left behind: $left"
echo "$(basename "$deb"): installed, used, and removed without a trace"
