"""Every workload with its programs: ours first, then the peers."""
from programs import (
    Program, Workload, allocations, fiber_and_task, limit, native, ours, pool_peer, python, rust, swift)

MILLION = 1_000_000
COUNTS = (100_000, MILLION)
CONNECTIONS = (50, 1000)
HTTP_CONNECTIONS = (64, 512)
REQUESTS = (100, 1000, 10_000)
IDLE_CONNECTIONS = 19_000  # what a usual limit of 20,000 descriptors leaves
CERTIFICATE = "build/certificate.pem"

WORKLOADS = {workload.name: workload for workload in (
    Workload("switch", "one-way context switch", "alone", (
        ours("swiftlet", "switch", 100 * MILLION),
        limit("control-words", "switch", 100 * MILLION),
        native("boost-fcontext", "switch-fcontext", 200 * MILLION),
        native("cpp20-coroutine", "switch-cpp20", 200 * MILLION),
        native("c-ucontext", "switch-ucontext", 10 * MILLION),
        python("greenlet", "switch/greenlet_switch.py", modules=("greenlet",)),
        python("python-generator", "switch/pygen.py"),
        swift("swift-asyncstream", "switch-swift", 2 * MILLION, options=("stream",)),
    ), "ns/switch"),
    Workload("generator", "one element of a counting generator", "alone", (
        ours("swiftlet", "generator", 50 * MILLION),
        swift("swift-iterator", "generator-swift", 100 * MILLION, options=("iterator",), limit=True),
        swift("swift-anyiterator", "generator-swift", 100 * MILLION, options=("anyiterator",), limit=True),
        native("boost-fcontext", "generator-fcontext", 50 * MILLION),
        native("cpp20-generator", "generator-cpp20", 100 * MILLION),
        native("go-channel", "generator-go", 10 * MILLION),
        python("python-generator", "generator/pygen.py", 10 * MILLION),
        python("greenlet", "generator/greenlet_gen.py", 2 * MILLION, modules=("greenlet",)),
        swift("swift-asyncsequence", "generator-swift", 10 * MILLION, options=("asyncsequence",)),
        swift("swift-asyncstream-unfolding", "generator-swift", 10 * MILLION, options=("unfolding",)),
        swift("swift-asyncstream-producer", "generator-swift", 2 * MILLION, options=("producer",)),
    ), "ns/element"),
    Workload("fiber_yield", "one yield through the scheduler, two fibers taking turns", "alone", (
        ours("swiftlet", "fiber_yield", 20 * MILLION),
        native("go-gosched", "switch-go", 20 * MILLION),
        rust("tokio-yield", "switch-tokio", 20 * MILLION),
        swift("swift-task-yield", "switch-swift", 2 * MILLION, options=("yield",)),
    ), "ns/yield"),
    Workload("spawn_join", "spawn + join of a trivial coroutine, 1000 live at a time", "alone", (
        *fiber_and_task("spawn_join", MILLION, before=(1000,)),
        limit("objects", "spawn_join", MILLION),
        limit("tasks", "tasks", MILLION),
        native("go", "spawn-go", MILLION),
        rust("tokio", "spawn-tokio", MILLION),
        swift("swift-task", "spawn-swift", MILLION, options=(1000, "task")),
        swift("swift-taskgroup", "spawn-swift", MILLION, options=(1000, "group")),
        swift("swift-task-own-loop", "spawn-swift", MILLION, options=(1000, "loop")),
        python("gevent", "spawn_join/gevent_spawn.py", 200_000, modules=("gevent",)),
        python("asyncio", "spawn_join/asyncio_spawn.py", 500_000),
        python("uvloop", "spawn_join/asyncio_spawn.py", 500_000, options=(1000, "uvloop"), modules=("uvloop",)),
        native("c-pthread", "spawn-pthread", 50_000),
    ), "ns/coroutine"),
    Workload("gather", "trivial coroutines made and gathered, 1000 at a time", "alone", (
        ours("swiftlet", "gather", MILLION, options=(1000,)),
        swift("swift-task", "spawn-swift", MILLION, options=(1000, "task")),
        swift("swift-taskgroup", "spawn-swift", MILLION, options=(1000, "group")),
        rust("tokio", "spawn-tokio", MILLION),
        python("asyncio", "spawn_join/asyncio_spawn.py", 500_000),
    ), "ns/coroutine", columns=("suspending_ns",)),
    Workload("timers", "timers armed, all together, and then called off", "alone", (
        ours("swiftlet", "timers", MILLION),
        limit("objects", "timers", MILLION),
    ), "ns/timer", columns=("each_ns",)),
    Workload("park", "park + unpark: a wait set aside and woken through the queue of its executor", "alone", (
        ours("swiftlet", "park", 10 * MILLION),
        swift("swift-continuation-own-loop", "switch-swift", 4 * MILLION, options=("loop",)),
        swift("swift-continuation-actor", "switch-swift", 2 * MILLION, options=("continuation",)),
    ), "ns/park"),
    Workload("memory", "resident memory of a sleeping coroutine", "alone", (
        *fiber_and_task("memory", *COUNTS),
        native("go", "memory-go", *COUNTS),
        rust("tokio", "memory-tokio", *COUNTS),
        python("asyncio", "memory/asyncio_sleep.py", *COUNTS, rounds=2),
        python("gevent", "memory/gevent_sleep.py", *COUNTS, modules=("gevent",), rounds=2),
        swift("swift-task-sleep", "memory-swift", *COUNTS, options=("sleep",), rounds=2),
        swift("swift-task-continuation", "memory-swift", *COUNTS, options=("continuation",), rounds=2),
    ), "B/coroutine", columns=("rss_mb",), rounds=3, per_size=True),
    Workload("sleepers", "coroutines that each sleep a random time of 0 to 1 s; 1.0 s is perfect", "alone", (
        *fiber_and_task("sleepers", 100_000),
        limit("stacks", "sleepers", 100_000),
        native("go", "sleepers-go", 100_000),
        rust("tokio", "sleepers-tokio", 100_000),
        swift("swift-task-sleep", "sleepers-swift", 100_000, options=("task",)),
        swift("swift-taskgroup-sleep", "sleepers-swift", 10_000, options=("group",), rounds=2),
        python("asyncio", "sleepers/asyncio_sleep.py", 100_000),
        python("uvloop", "sleepers/asyncio_sleep.py", 100_000, options=("uvloop",), modules=("uvloop",)),
        python("gevent", "sleepers/gevent_sleep.py", 100_000, modules=("gevent",)),
    ), "s wall", columns=("cpu_s",), per_size=True),
    Workload("channel", "one message over a channel, two coroutines to and fro", "alone", (
        *fiber_and_task("channel", 10 * MILLION),
        native("go", "channel-go", 10 * MILLION),
        rust("tokio", "channel-tokio", 10 * MILLION),
        swift("swift-asyncstream", "channel-swift", MILLION),
        python("gevent", "channel/gevent_queue.py", 500_000, modules=("gevent",)),
        python("asyncio", "channel/asyncio_queue.py", 500_000),
        python("uvloop", "channel/asyncio_queue.py", 500_000, options=("uvloop",), modules=("uvloop",)),
    ), "ns/message"),
    Workload("lock", "acquire and release what nobody else wants", "alone", (
        ours("swiftlet-lock", "lock", 50 * MILLION, options=("lock",)),
        ours("swiftlet-semaphore", "lock", 50 * MILLION, options=("semaphore",)),
        native("pthread-mutex", "lock-pthread", 50 * MILLION, limit=True),
    ), "ns/pair"),
    Workload("tcp_echo", "TCP echo of 64 bytes, closed loop; server CPU a request", "echo_server", (
        *fiber_and_task("tcp_echo", *CONNECTIONS),
        native("c-epoll", "echo-epoll", *CONNECTIONS, limit=True),
        native("c-epoll-edge", "echo-epoll", *CONNECTIONS, options=("et",), limit=True),
        native("c-iouring-multishot", "echo-iouring", *CONNECTIONS, limit=True),
        native("c-iouring-plain", "echo-iouring", *CONNECTIONS, options=("plain",), limit=True),
        native("c-libuv", "echo-libuv", *CONNECTIONS),
        native("go", "echo-go", *CONNECTIONS),
        rust("tokio", "echo-tokio", *CONNECTIONS),
        python("uvloop-protocol", "tcp_echo/pyecho.py", *CONNECTIONS, options=("uvloop", "protocol"),
               modules=("uvloop",)),
        python("asyncio-streams", "tcp_echo/pyecho.py", *CONNECTIONS, options=("asyncio", "streams")),
        python("gevent-streamserver", "tcp_echo/gevent_echo.py", *CONNECTIONS, modules=("gevent",)),
    ), "us/request", metric="server_us_per_req", columns=("value", "p50_us", "p99_us", "server_cpu"), per_size=True),
    Workload("slow_fetch", "n requests at once to a server that answers after 3 s: time beyond 3 s", "slow_fetch", (
        *fiber_and_task("slow_fetch", *REQUESTS),
        native("go-nethttp", "slow-go", *REQUESTS),
        rust("hyper", "slow-hyper", *REQUESTS),
        python("aiohttp", "slow_fetch/aiohttp_fetch.py", *REQUESTS, options=("asyncio",), modules=("aiohttp",)),
        python("aiohttp-uvloop", "slow_fetch/aiohttp_fetch.py", *REQUESTS, options=("uvloop",),
               modules=("aiohttp", "uvloop")),
        python("aiomultiprocess", "slow_fetch/aiomp_fetch.py", 100, 1000, options=("tuned",),
               modules=("aiomultiprocess",)),
    ), "s", columns=("cpu_total_s", "peak_rss_mb", "max_concurrent"), rounds=3, per_size=True),
    Workload("pool_call", "the median empty call to a pool of two processes", "alone", (
        ours("swiftlet", "pool_call", 10_000),
        pool_peer("multiprocessing", "pool_call", 3000),
        pool_peer("aiomultiprocess", "pool_call", 100, modules=("aiomultiprocess",)),
    ), "us/call"),
    Workload("pool_map", "an empty job in a map over two processes", "alone", (
        ours("swiftlet", "pool_map", 100_000),
        ours("swiftlet-single", "pool_map", 100_000, options=("single",)),
        pool_peer("multiprocessing", "pool_map", 100_000),
        pool_peer("aiomultiprocess", "pool_map", 100_000, modules=("aiomultiprocess",), rounds=2),
    ), "ns/job", columns=("chunk",), rounds=3),
    Workload("pool_compute", "a map that computes over two processes, as a part of its serial time", "both_cpus", (
        ours("swiftlet", "pool_compute", 40),
    ), "of serial", columns=("speedup",), rounds=3),
    Workload("pool_bytes", "a gigabyte in buffers of 16 MB to two worker processes", "alone", (
        ours("swiftlet", "pool_bytes", 16 << 20),
    ), "s/GB"),
    Workload("pool_start", "the median start of a worker process, until it can run jobs", "alone", (
        ours("swiftlet", "pool_start", 100),
    ), "ms/worker", columns=("p90_ms",), rounds=3),
    Workload("http_server", "HTTP 'Hello' under wrk; server CPU a request", "http_server", (
        *fiber_and_task("http_server", *HTTP_CONNECTIONS),
        native("c-epoll-fixed", "http-epoll", *HTTP_CONNECTIONS, limit=True),
        native("go-nethttp", "http-go", *HTTP_CONNECTIONS),
        rust("hyper", "http-hyper", *HTTP_CONNECTIONS),
        Program("nginx", ("http_server/nginx.sh",), HTTP_CONNECTIONS),
        python("aiohttp", "http_server/aiohttp_server.py", *HTTP_CONNECTIONS, options=("asyncio",),
               modules=("aiohttp",)),
        python("gevent-pywsgi", "http_server/gevent_pywsgi.py", *HTTP_CONNECTIONS, modules=("gevent",)),
    ), "us/request", metric="server_us_per_req", columns=("value", "p50_us", "p99_us", "server_cpu"), per_size=True),
    Workload("http_tls", "16 KB over TLS under wrk, connections kept; server CPU a request", "https_server", (
        *fiber_and_task("http_tls", 64, before=(CERTIFICATE,)),
        Program("nginx", ("http_server/nginx_tls.sh",), (64,), options=(CERTIFICATE,)),
    ), "us/request", metric="server_us_per_req", columns=("value", "p50_us", "p99_us", "server_cpu"), per_size=True),
    Workload("http_idle", "resident memory of an idle connection that is kept", "idle_server", (
        *fiber_and_task("http_server", IDLE_CONNECTIONS),
        native("go-nethttp", "http-go", IDLE_CONNECTIONS),
    ), "B/connection", rounds=2, per_size=True),
    Workload("http_allocations", "pieces of memory that a request allocates; in one process, on one loop", "allocations", (
        *(allocations("swiftlet-" + side + "-" + kind) for side in ("server", "client") for kind in ("fiber", "task")),
    ), "allocations/request", columns=("jobs",), rounds=1),
    Workload("http_client", "GETs, 100 at a time, to a fixed-response C server; client CPU a request", "http_client", (
        *fiber_and_task("http_client", 100_000),
        native("c-epoll-raw", "client-raw", 200_000, limit=True),
        native("libcurl-multi", "client-curl", 20_000),
        native("go-nethttp", "client-go", 20_000),
        rust("hyper", "client-hyper", 100_000),
        python("aiohttp", "http_client/pyclient.py", 20_000, options=("aiohttp",), modules=("aiohttp",)),
        python("gevent-urllib3", "http_client/pyclient.py", 10_000, options=("gevent-urllib3",),
               modules=("gevent", "urllib3")),
    ), "us/request", metric="cpu_us_per_req", columns=("value",)),
)}

DEFAULT = tuple(name for name in WORKLOADS if not name.startswith("http_"))
