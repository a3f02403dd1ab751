# What a user runs: run, test, install. What a contributor runs besides: bench, lint, docs, drivers, bridges, nats,
# deployment; long: asan, tsan, fuzz, faults, schedules,
# interop, storm, soak, pool-soak, nats-soak, aarch64.
PREFIX ?= /usr/local
SUITES := SwiftletCoroutinesTests SwiftletLoopTests SwiftletModelTests SwiftletAsyncIOTests SwiftletTestingTests \
  SwiftletNetTests SwiftletHTTPTests SwiftletInterposeTests SwiftletPoolTests SwiftletNATSTests SwiftletInspectTests SwiftletProgramTests
# The programs' suite stays out: it runs other processes, which are what it measures, by the clock. One test at a time: those
# that compute would hold all threads of Swift's pool for seconds.
SANITIZED := $(filter-out SwiftletProgramTests,$(SUITES))
STATIC := -c release -Xswiftc -static-stdlib --scratch-path .build/static

.PHONY: run test bench lint docs asan tsan storm soak pool-soak drivers aarch64 fuzz faults schedules interop bridges nats nats-soak deployment install tools clean

run: tools  ## the tutorial's experiment: 100 requests to a server that takes 3 s
	swift build -c release --product swiftlet
	.build/release/swiftlet compare

# One process a suite: each sees only its own reports, descriptors and memory. The programs' tests measure by the clock: one at a time.
test: tools  ## everything
	swift build --build-tests
	Documentation/check-code
	@set -e; for suite in $(SUITES); do echo "== $$suite"; \
	  [ $$suite = SwiftletProgramTests ] && order=--no-parallel || order=; \
	  swift test --skip-build $$order --filter "$$suite\."; done

bench: ## our workloads beside the peers that run on this machine
	Benchmarks/run

lint:
	swift format lint --strict -r Sources Tests Examples Benchmarks/Sources Package.swift Benchmarks/Package.swift

asan: tools ## the address and leak sanitizers over the suites; Swift's backtracer does not know their stacks and is off
	swift build --build-tests --sanitize=address --scratch-path .build/asan
	@set -e; for suite in $(SANITIZED); do echo "== $$suite"; \
	  SWIFT_BACKTRACE=enable=no LSAN_OPTIONS=suppressions=$(CURDIR)/Tests/leaks.suppressions \
	  swift test --skip-build --no-parallel --sanitize=address --scratch-path .build/asan --filter "$$suite\."; done

tsan: tools ## the thread sanitizer over the suites
	swift build --build-tests --sanitize=thread --scratch-path .build/tsan
	@set -e; for suite in $(SANITIZED); do echo "== $$suite"; \
	  SWIFT_BACKTRACE=enable=no TSAN_OPTIONS=suppressions=$(CURDIR)/Tests/races.suppressions \
	  swift test --skip-build --no-parallel --sanitize=thread --scratch-path .build/tsan --filter "$$suite\."; done

storm: tools ## a minute of backtraces at 1 kHz while stacks switch
	swift build -c release --package-path Benchmarks --product swiftlet-storm
	Benchmarks/.build/release/swiftlet-storm 60

soak: tools ## ten million coroutines of each kind leave memory flat
	swift build -c release --package-path Benchmarks --product swiftlet-soak
	Benchmarks/.build/release/swiftlet-soak

aarch64: ## the C part and the assembly on AArch64, under qemu-user
	Tests/AArch64/run

fuzz: tools ## libFuzzer on every parser, ten minutes each; FUZZ_SECONDS sets how long
	Tests/Fuzz/run $(or $(FUZZ_SECONDS),600)

faults: tools ## a hundred thousand random faults of a peer against the HTTP client, and against the server
	SWIFTLET_FAULTS=100000 swift test --filter 'SwiftletHTTPTests\..*FaultTests'

schedules: tools ## long: each primitive in a million orders of its turns; SWIFTLET_SCHEDULES sets how many
	swift build -c release --product ScheduleProgram
	.build/release/ScheduleProgram

interop: tools ## long: other implementations; Python 3 with requests, aiohttp, websockets, httptools, Flask; wrk, slowhttptest, curl
	Tests/Interop/install-client-peers
	swift test --filter PeerTests
	swift build -c release --product swiftlet
	Tests/Interop/server-peers .build/release/swiftlet
	Tests/Interop/slow-clients .build/release/swiftlet
	Tests/Interop/tls .build/release/swiftlet
	swift build -c release --product WebSocketProgram
	Tests/Interop/websocket_peers --program .build/release/WebSocketProgram
	swift build -c release --product ParserProgram
	Tests/Interop/autobahn
	Tests/Interop/llhttp --program .build/release/ParserProgram --count 500000

bridges: tools ## the bridges to swift-log, swift-metrics, swift-distributed-tracing, swift-service-lifecycle
	swift test --traits default,Logging,Metrics,Tracing,ServiceLifecycle --scratch-path .build/bridges --filter SwiftletBridgeTests

nats: tools ## pools over NATS against real servers
	@as=; [ "$$(id -u)" = 0 ] || as=sudo; command -v nats-server > /dev/null && [ -e /usr/include/nats/nats.h ] || \
	  { $$as apt-get update -qq && $$as apt-get install -y -qq --no-install-recommends nats-server libnats-dev; }
	swift test --traits default,NATS --scratch-path .build/nats --filter 'SwiftletNATSTests\.|FetchWorkersTests'

nats-soak: tools ## long: a hundred thousand jobs over a cluster whose servers and workers are killed
	Scripts/nats-soak

pool-soak: tools ## the failures of process pools, a hundred times each
	Scripts/pool-soak

# In release: it compares speeds.
drivers: tools ## libpq, hiredis and its own tests, libcurl, libmariadb in fibers and tasks under patchAll, against real servers
	@as=; [ "$$(id -u)" = 0 ] || as=sudo; command -v redis-server nginx > /dev/null && [ -d /usr/lib/postgresql ] && \
	  [ -x /usr/sbin/mariadbd ] && pkg-config --exists libpq hiredis libcurl libmariadb || { $$as apt-get update -qq && \
	  $$as apt-get install -y -qq --no-install-recommends libpq-dev libhiredis-dev libcurl4-openssl-dev libmariadb-dev \
	  pkg-config postgresql redis-server nginx-light mariadb-server-core mariadb-client-core; }
	swift test -c release --package-path Tests/Drivers
	Tests/Drivers/hiredis-test

docs: ## DocC for every library, warnings are errors
	Documentation/build

deployment: tools ## the example service as process 1 of a bare root, and its unit under systemd in a container; needs root
	@command -v debootstrap systemd-nspawn > /dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap systemd-container; }
	Deployment/check
	Deployment/check-unit

install: tools ## a release binary with Swift's standard library linked in
	swift build $(STATIC) --product swiftlet
	swift build $(STATIC) --product SwiftletPreload
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib
	install -m 755 .build/static/release/swiftlet $(DESTDIR)$(PREFIX)/bin/swiftlet
	install -m 644 .build/static/release/libSwiftletPreload.so $(DESTDIR)$(PREFIX)/lib/libSwiftletPreload.so

# Headers that the default traits need: TLS and Zlib. pkg-config finds them for SwiftPM.
# `swift build --disable-default-traits` needs neither.
HEADERS := openssl:libssl-dev zlib:zlib1g-dev

tools:
	@command -v swift > /dev/null || { echo "swift is missing: install Swift 6.3 from https://swift.org/install" >&2; exit 1; }
	@missing=; for program in git pkg-config; do command -v $$program > /dev/null || missing="$$missing $$program"; done; \
	for pair in $(HEADERS); do pkg-config --exists $${pair%%:*} 2> /dev/null || missing="$$missing $${pair##*:}"; done; \
	[ -z "$$missing" ] || { echo "installing$$missing" >&2; as=; [ "$$(id -u)" = 0 ] || as=sudo; \
	  $$as apt-get update -qq && $$as apt-get install -y -qq $$missing; }

clean:
	rm -rf .build Benchmarks/.build Tests/Drivers/.build Benchmarks/peers/build
