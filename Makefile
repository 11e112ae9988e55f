# Targets with a ## text are shown by make help. demo and test need Go and
# nothing else.

GO       ?= go
PREFIX   ?= /usr/local
FUZZTIME ?= 10s
SOAK     ?= 30m
E2EFLAGS ?= -v -timeout 45m

# Tools run at these versions; nothing has to be installed.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.8.0
EXHAUSTIVE  := github.com/nishanths/exhaustive/cmd/exhaustive@v0.17.1

# The words that the JSON document promises, and those that the stages hand each
# other. A switch over one of them names all, or has a default: a new word is
# decided everywhere.
WORDS := \.(Stage|Via|Condition|Backend|Owner|Verdict|HopKind|Proof|Role|Outcome|Format)$$$$

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT  := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
BUILD    = CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION) -X main.revision=$(COMMIT)'
SOURCES := $(shell find . -name '*.go' -not -path './.git/*') go.mod go.sum

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help build test race words demo fixtures bench lint vuln generated check fuzz fuzzed mutate corpora truth accuse less soak leftovers e2e kernels collector fixes cross dependencies readme examples screens dist install clean

help: ## show this
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

build: bin/dnatrace ## build bin/dnatrace, one static binary

bin/dnatrace: $(SOURCES)
	$(BUILD) -o $@ ./cmd/dnatrace

test: ## vet, whole switches, and all tests: static as released, and under the race detector where there is a C compiler
	CGO_ENABLED=0 $(GO) vet ./...
	@$(MAKE) --no-print-directory words
	CGO_ENABLED=0 $(GO) test -timeout 20m ./...
	@$(MAKE) --no-print-directory race

# The analyser is fetched once: a machine that cannot has checked nothing, and says
# so.
words: ## switches over the words that the stages hand each other name them all
	@out=$$($(GO) run $(EXHAUSTIVE) -d -typeonly '$(WORDS)' ./... 2>&1); code=$$?; \
	case "$$code:$$out" in \
	0:*) ;; \
	*"dial tcp"*|*"module lookup disabled"*) echo "SKIPPED exhaustive: it cannot be fetched from here" ;; \
	*) echo "$$out"; exit 1 ;; \
	esac

# The race detector is the one thing here that needs cgo. It runs the short form of
# the tests: what that leaves out (a browser, the same comparison over all frames)
# has no goroutines of ours.
race:
	@if command -v $${CC:-gcc} >/dev/null 2>&1; then \
		echo "CGO_ENABLED=1 $(GO) test -race -short -timeout 20m ./..."; CGO_ENABLED=1 $(GO) test -race -short -timeout 20m ./...; \
	else \
		echo "SKIPPED race detector: no C compiler here (install gcc)"; \
	fi

demo: build ## a private lab, broken, diagnosed live and torn down (root on Linux; elsewhere its recording is replayed)
	./bin/dnatrace demo

fixtures: build ## record the fixtures anew, on a real engine and in the lab (root; dockerd from DNATRACE_DOCKERD or PATH: one of 28 or later records its own)
	$(GO) test -tags e2e ./fixtures/enginelab -run '^TestDiagnose$$' -count=1 $(E2EFLAGS) -args -record $(CURDIR)/fixtures/testdata
	$(GO) test -tags e2e ./fixtures/enginelab -run '^TestForeign$$' -count=1 $(E2EFLAGS) -args -foreign $(CURDIR)/fixtures/testdata
	fixtures/lab/record.sh bin/dnatrace fixtures/testdata
	$(GO) test ./fixtures -run '^(TestGoldenVerdicts|TestVerdictsByAmountOfEvidence|TestTraceAndEvaluationNameTheSameRule)$$' -count=1 -update

bench: build ## measure side by side with tcpdump, in one run (the live half needs root; BENCHFLAGS="-o docs/BENCHMARKS.md" writes the figures there)
	$(GO) run ./fixtures/bench $(BENCHFLAGS)

lint: words ## gofmt, vet, staticcheck, and that switches over words are whole
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "not formatted by gofmt:"; echo "$$unformatted"; exit 1; }
	$(GO) vet -tags e2e ./...
	$(GO) run $(STATICCHECK) -tags e2e ./...

# The database is on the network: a machine that cannot reach it has checked
# nothing, and says so.
vuln: ## known vulnerabilities in what the program calls
	@out=$$($(GO) run $(GOVULNCHECK) ./... 2>&1); code=$$?; \
	case "$$code:$$out" in \
	0:*) echo "$$out" ;; \
	*"fetching vulnerabilities"*) echo "SKIPPED govulncheck: its database cannot be reached from here"; echo "$$out" | grep "fetching" ;; \
	*) echo "$$out"; exit 1 ;; \
	esac

generated: # go.mod is tidy, and generated files are what the generators write
	$(GO) mod tidy -diff
	@before=$$(git diff | cksum); $(GO) generate ./... && [ "$$before" = "$$(git diff | cksum)" ] || { echo "go generate changes files: commit its result"; exit 1; }

cross: ## build every package for every platform
	GOOS=linux GOARCH=amd64 CGO_ENABLED=0 $(GO) build ./...
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 $(GO) build ./...
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 $(GO) build ./...
	GOOS=windows GOARCH=amd64 CGO_ENABLED=0 $(GO) build ./...

check: lint generated cross vuln ## everything that looks at the code without running it, and a minute of fuzzing

fuzz: ## every fuzz target for FUZZTIME each, with the number of executions (FUZZFLAGS="-only decode -parallel 1")
	$(GO) run ./fixtures/fuzz -each $(FUZZTIME) $(FUZZFLAGS)

fuzzed: ## every fuzz target, a minute for all
	$(GO) run ./fixtures/fuzz -all 1m $(FUZZFLAGS)

mutate: build ## the program over damaged and hostile copies of all fixtures, every command that reads files (MUTATEFLAGS="-seed 1 -runs 20000")
	$(GO) run ./fixtures/mutate $(MUTATEFLAGS)

corpora: build ## every command that reads files, over folders of anyone's captures: make corpora FOLDERS=DIR,DIR
	@[ -n "$(FOLDERS)" ] || { echo "name the folders: make corpora FOLDERS=DIR,DIR"; exit 1; }
	$(GO) run ./fixtures/mutate -corpora "$(FOLDERS)" $(MUTATEFLAGS)

truth: ## over a million drawn requests with known truth, in views of any points and dumps: no judgement may contradict it (TRUTHFLAGS="-shrink 3 -keep DIR")
	$(GO) test ./fixtures/truth -run '^TestTruth$$' -count=1 -v -timeout 120m -args -requests 1000000 $(TRUTHFLAGS)

less: ## judge every fixture without each part of its evidence and each two, and among 100,000 requests of strangers: nothing may be told otherwise
	$(GO) test ./fixtures/less -count=1 -timeout 6h -args -long -strangers 100000

accuse: ## 100,000 clean requests watched every hard way, floods beside them: nobody may be accused (root)
	@[ "$$(id -u)" = 0 ] || { echo "accuse needs root: sudo make accuse"; exit 1; }
	$(GO) test ./cmd/internal/accuse -count=1 -v -timeout 60m -args -requests 100000

soak: ## a diagnosis for SOAK (30m) beside 2,000 requests a second, a failure each minute, containers and rules that change: memory, descriptors, disk, losses, recordings (root)
	@[ "$$(id -u)" = 0 ] || { echo "soak needs root: sudo make soak"; exit 1; }
	$(GO) test ./fixtures/bench -run '^TestSoak$$' -count=1 -v -timeout 24h -args -soak $(SOAK)

leftovers: ## a hundred runs killed at random moments leave nothing behind (root)
	@[ "$$(id -u)" = 0 ] || { echo "leftovers needs root: sudo make leftovers"; exit 1; }
	$(GO) test ./fixtures/bench -run '^TestEndsAtAnyMoment$$' -count=1 -v -timeout 30m -args -kills 100

e2e: ## the whole program beside a real engine in a namespace of its own (root; dockerd from DNATRACE_DOCKERD or PATH)
	@[ "$$(id -u)" = 0 ] || { echo "e2e needs root: sudo make e2e"; exit 1; }
	@command -v "$${DNATRACE_DOCKERD:-dockerd}" >/dev/null || { echo "e2e needs dockerd: install docker.io, or name one in DNATRACE_DOCKERD"; exit 1; }
	$(GO) test -tags e2e ./fixtures/enginelab/... -count=1 $(E2EFLAGS)

kernels: ## the selftest on Debian's kernels 6.1 and 6.12 (amd64, arm64) in QEMU; what cannot be booted here is skipped
	$(GO) test -tags e2e ./fixtures/kernels -count=1 -v -timeout 60m

collector: ## build the OpenTelemetry Collector that the end-to-end tests send to, bin/collector (some minutes)
	@dir=$$(mktemp -d) && cp fixtures/collector/go.mod fixtures/collector/go.sum $$dir && cp fixtures/collector/main.go.txt $$dir/main.go \
		&& mkdir -p bin && (cd $$dir && CGO_ENABLED=0 $(GO) build -o $(CURDIR)/bin/collector .); code=$$?; rm -rf $$dir; exit $$code

examples: ## write docs/EXAMPLES.md: what is printed beside a real engine (root, dockerd, script)
	$(GO) test -tags e2e ./fixtures/enginelab -run '^TestExamples$$' -count=1 $(E2EFLAGS) -args -examples $(CURDIR)/docs/EXAMPLES.md

screens: ## write docs/WATCH.md: what watch shows beside a real engine (root, dockerd, tmux)
	$(GO) test -tags e2e ./fixtures/enginelab -run '^TestWatchOnAScreen$$' -count=1 $(E2EFLAGS) -args -screens $(CURDIR)/docs/WATCH.md

fixes: ## paste the fix of every situation on a real engine, and ask again (root)
	$(GO) test -tags e2e ./fixtures/enginelab -run '^TestFixes$$' -count=1 $(E2EFLAGS) -args -fixes

dependencies: ## write docs/DEPENDENCIES.md: each direct dependency, why, and what it costs
	$(GO) run ./cmd/internal/supply dependencies >docs/DEPENDENCIES.md.new && mv docs/DEPENDENCIES.md.new docs/DEPENDENCIES.md

readme: build ## put the demo's real output into README.md and README.zh-CN.md (root)
	docs/update-readme.sh

dist: ## build what is handed out into dist/: tar.gz, .deb and .rpm for amd64, arm64, riscv64, with manual, completions, licences, bill of materials, checksums
	packaging/dist.sh $(VERSION) $(COMMIT)
	@command -v dpkg >/dev/null || { echo "no dpkg here: the .deb was not tried"; exit 0; }; packaging/try-deb.sh dist/*-linux-$$($(GO) env GOHOSTARCH).deb

install: build ## install into PREFIX (/usr/local)
	install -D -m 0755 bin/dnatrace $(DESTDIR)$(PREFIX)/bin/dnatrace

clean: ## remove what was built and generated
	rm -rf bin bench dist
