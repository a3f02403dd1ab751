# What a user runs: run, test, install. What a contributor runs besides: bench, lint, docs, asan, tsan, storm, soak, aarch64.
PREFIX ?= /usr/local
SUITES := SwiftletCoroutinesTests SwiftletLoopTests SwiftletModelTests SwiftletAsyncIOTests SwiftletNetTests SwiftletHTTPTests SwiftletProgramTests
# What runs on switched stacks. The programs' suite runs other processes, which are what it measures, by the clock.
SANITIZED := SwiftletCoroutinesTests SwiftletLoopTests SwiftletModelTests SwiftletAsyncIOTests SwiftletNetTests SwiftletHTTPTests
STATIC := -c release -Xswiftc -static-stdlib --scratch-path .build/static

.PHONY: run test bench lint docs asan tsan storm soak aarch64 fuzz install tools clean

run: tools  ## the tutorial's experiment: 100 requests to a server that takes 3 s
	swift build -c release --product swiftlet
	.build/release/swiftlet compare

# One process a suite: each sees only its own reports, descriptors and memory.
test: tools  ## everything
	swift build --build-tests
	@set -e; for suite in $(SUITES); do echo "== $$suite"; swift test --skip-build --filter "$$suite\."; done

bench: ## our workloads beside the peers that run on this machine
	Benchmarks/run

lint:
	swift format lint --strict -r Sources Tests Examples Benchmarks/Sources Package.swift Benchmarks/Package.swift

asan: tools ## the address and leak sanitizers over the suites; Swift's backtracer does not know their stacks and is off
	swift build --build-tests --sanitize=address --scratch-path .build/asan
	@set -e; for suite in $(SANITIZED); do echo "== $$suite"; \
	  SWIFT_BACKTRACE=enable=no LSAN_OPTIONS=suppressions=$(CURDIR)/Tests/leaks.suppressions \
	  swift test --skip-build --sanitize=address --scratch-path .build/asan --filter "$$suite\."; done

tsan: tools ## the thread sanitizer over the suites
	swift build --build-tests --sanitize=thread --scratch-path .build/tsan
	@set -e; for suite in $(SANITIZED); do echo "== $$suite"; \
	  SWIFT_BACKTRACE=enable=no swift test --skip-build --no-parallel --sanitize=thread --scratch-path .build/tsan --filter "$$suite\."; done

storm: tools ## a minute of backtraces at 1 kHz while stacks switch
	swift build -c release --package-path Benchmarks --product swiftlet-storm
	Benchmarks/.build/release/swiftlet-storm 60

soak: tools ## ten million coroutines of each kind leave memory flat
	swift build -c release --package-path Benchmarks --product swiftlet-soak
	Benchmarks/.build/release/swiftlet-soak

aarch64: ## the C part and the assembly on AArch64, under qemu-user
	Tests/AArch64/run

fuzz: ## random HTTP messages against the parser, for a minute
	SWIFTLET_FUZZ_SECONDS=60 swift test --filter SwiftletHTTPTests.MutationTests

docs: ## DocC for every library, warnings are errors
	Documentation/build

install: tools ## a release binary with Swift's standard library linked in
	swift build $(STATIC) --product swiftlet
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 .build/static/release/swiftlet $(DESTDIR)$(PREFIX)/bin/swiftlet

# The default build needs nothing beyond Swift, its own requirements and git.
tools:
	@command -v swift > /dev/null || { echo "swift is missing: install Swift 6.3 from https://swift.org/install" >&2; exit 1; }
	@command -v git > /dev/null || { echo "installing git, which swift needs to fetch packages" >&2; \
	  as=; [ "$$(id -u)" = 0 ] || as=sudo; $$as apt-get update -qq && $$as apt-get install -y -qq git; }

clean:
	rm -rf .build Benchmarks/.build Benchmarks/peers/build
