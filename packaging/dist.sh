#!/bin/sh
# Builds into dist/ what is handed out: a tar.gz, a .deb and an .rpm for each
# architecture, with manual pages, completions, licences, bill of materials and
# checksums. It needs Go and nothing else; nfpm is run at the version below.
#
#     packaging/dist.sh VERSION COMMIT [ARCH…]
set -eu
NFPM=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.4
GO=${GO:-go}
version=${1:?version} commit=${2:?commit}
shift 2
[ $# -gt 0 ] || set -- amd64 arm64 riscv64
cd "$(dirname "$0")/.."
rm -rf dist
mkdir -p dist/man dist/completions

build() { # ARCH FILE
    GOOS=linux GOARCH=$1 CGO_ENABLED=0 "$GO" build -trimpath -buildvcs=false \
        -ldflags "-s -w -X main.version=$version -X main.revision=$commit" -o "$2" ./cmd/dnatrace
}

# of this machine, to write its own manual
build "$("$GO" env GOHOSTARCH)" dist/dnatrace
dist/dnatrace man dist/man
dist/dnatrace completion bash >dist/completions/dnatrace.bash
dist/dnatrace completion zsh >dist/completions/_dnatrace
dist/dnatrace completion fish >dist/completions/dnatrace.fish
dist/dnatrace completion powershell >dist/completions/dnatrace.ps1
rm dist/dnatrace
"$GO" run ./cmd/internal/supply licences >dist/LICENSES.txt
"$GO" run ./cmd/internal/supply sbom "$version" >dist/dnatrace.cdx.json

# a version that packages may have: it begins with a number, and has no hyphen
PACKAGE_VERSION=$(echo "${version#v}" | sed 's/-/~/g')
case $PACKAGE_VERSION in [0-9]*) ;; *) PACKAGE_VERSION=0~$PACKAGE_VERSION ;; esac
export PACKAGE_VERSION

for ARCH in "$@"; do
    name=dnatrace-${version#v}-linux-$ARCH
    STAGE=dist/$name
    mkdir "$STAGE"
    build "$ARCH" "$STAGE/dnatrace"
    export ARCH STAGE
    for format in deb rpm; do
        "$GO" run "$NFPM" package -f packaging/nfpm.yaml -p "$format" -t "dist/$name.$format"
    done
    cp -r dist/man dist/completions dist/LICENSES.txt dist/dnatrace.cdx.json LICENSE README.md CHANGELOG.md "$STAGE/"
    tar -C dist --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -cf - "$name" | gzip -9n >"dist/$name.tar.gz"
    rm -r "$STAGE"
done
(cd dist && sha256sum -- *.tar.gz *.deb *.rpm >SHA256SUMS)
ls -l dist
