#!/bin/sh
# Prints the licence of every module that is linked into the program.
set -eu
GO=${GO:-go}
CGO_ENABLED=0 GOOS=linux "$GO" list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}}	{{.Version}}	{{.Dir}}{{end}}{{end}}' ./cmd/dnatrace | sort -u |
    while IFS='	' read -r path version dir; do
        echo "==== $path $version"
        for f in "$dir"/LICEN[CS]E* "$dir"/COPYING* "$dir"/NOTICE*; do
            if [ -f "$f" ]; then cat "$f"; echo; fi
        done
    done
