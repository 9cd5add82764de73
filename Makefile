# The commands of this repository; `make help` lists them. Two suffice on a fresh Debian 12 or 13 with Swift 6.3:
# `make run` shows the main job, `make test` tests everything.

SHELL := /bin/bash
PREFIX ?= /usr/local
DESTDIR ?=
RELEASE := --configuration release --static-swift-stdlib

.PHONY: help run lab test test-migration lint docs bench gates fuzz sanitize install peers peers-qemu test-qemu setup build release clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

run: setup ## build a release and show the main job in a namespace of its own
	@scripts/peers --if-needed
	@$(MAKE) --no-print-directory release
	@scripts/demo

lab: setup ## a shell in which every line of README and manual works as typed
	@scripts/peers --if-needed
	@$(MAKE) --no-print-directory release
	@scripts/lab

test: ## install and fetch the peers, then lint and run every test
	@scripts/test

lint: ## format, import arrows
	@scripts/lint

docs: setup ## the library products' documentation, into .build/docs (NAME.doccarchive)
	@scripts/docs

bench: release ## measure, print the tables of docs/performance.md; fetches QEMU to compare with
	@scripts/peers
	@scripts/peers-qemu
	@scripts/bench

gates: ## instructions per frame, segment and message against Tests/SpeedGates
	@scripts/speed-gates

fuzz: ## every fuzz target for 60 s with its corpus (SECONDS_EACH=60)
	@scripts/fuzz $(or $(SECONDS_EACH),60)

# netemu-repair's filter kills what a sanitizer calls, a sanitizer needs /proc, and its memory is not the program's.
# ThreadSanitizer has a thread of its own from the start: no minder is forked beside it by a daemon.
sanitize: ## the tests under AddressSanitizer, then under ThreadSanitizer
	ASAN_OPTIONS=detect_leaks=0 swift test --sanitize=address --scratch-path .build-asan \
	  --skip RepairHelperTests --skip signalsToMinder --skip ithoutProc --skip FloodTests/memory
	swift test --sanitize=thread --scratch-path .build-tsan --skip RepairHelperTests --skip signalsToMinder \
	  --skip ithoutProc --skip FloodTests/memory --skip MinderTests/impossible --skip ProcessTests/daemon \
	  --skip ProcessTests/failingDaemon --skip ProcessTests/abandonedDaemon --skip ProcessTests/killedDaemon \
	  --skip HarmlessFilesTests/sizeLimit

install: release ## binaries, man pages and completion below $(DESTDIR)$(PREFIX)
	swift build --configuration release --product netemu-repair --scratch-path .build-static -Xswiftc -static-executable
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/share/man/man1"
	install -m 755 -s .build-static/release/netemu-repair "$(DESTDIR)$(PREFIX)/bin/netemu-repair"
	setcap cap_net_admin+eip "$(DESTDIR)$(PREFIX)/bin/netemu-repair" || \
	  echo "install: as root: setcap cap_net_admin+eip $(DESTDIR)$(PREFIX)/bin/netemu-repair"
	install -m 644 man/netemu-repair.1 "$(DESTDIR)$(PREFIX)/share/man/man1/netemu-repair.1"
	install -m 755 -s .build/release/netemu "$(DESTDIR)$(PREFIX)/bin/netemu"
	install -m 644 man/netemu.1 "$(DESTDIR)$(PREFIX)/share/man/man1/netemu.1"
	install -d "$(DESTDIR)$(PREFIX)/share/bash-completion/completions" \
	  "$(DESTDIR)$(PREFIX)/share/zsh/site-functions" "$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d"
	.build/release/netemu -completion bash >"$(DESTDIR)$(PREFIX)/share/bash-completion/completions/netemu"
	.build/release/netemu -completion zsh >"$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_netemu"
	.build/release/netemu -completion fish >"$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/netemu.fish"

peers: ## fetch passt into .peers
	@scripts/peers

peers-qemu: ## fetch QEMU 11.1 and a tiny guest into .peers, too
	@scripts/peers-qemu

test-qemu: setup peers-qemu ## a QEMU guest migrated on one host, its connections with it
	@swift test --filter QEMUMigrationTests

test-migration: setup ## every fault while a guest moves, and every way in which connections stand then; `make test` takes some
	@scripts/peers --if-needed
	@NETEMU_MIGRATION=whole swift test \
	  --filter 'MoveFaultTests|StrangeEndTests|SnapshotFaultTests|CutTests|MoveTests|MigrationTests|MoveRowTests' \
	  --filter 'MovingConnectionTests|MovingByHandTests|MovingElsewhereTests' \
	  --filter 'MovingPasstTests|MarkedPasstTests|PasstUpgradeTests'

setup:
	@scripts/setup build
	@scripts/check-swift

release: setup
	@swift build $(RELEASE)

build: setup ## debug build
	@swift build

clean: ## remove what was built
	rm -rf .build .build-static .build-asan .build-tsan .build-fuzz
