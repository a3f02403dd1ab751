# pools.py WORKLOAD PEER [n]: empty calls and maps of empty jobs through multiprocessing.Pool or aiomultiprocess.Pool,
# two processes each. pool_map with multiprocessing takes the best of several chunk sizes, aiomultiprocess has none.
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "common"))
import asyncio
import multiprocessing
from peer import emit, n_arg, now

CHUNKS = (1000, 3000, 6000, 12500)


def nothing(_):
    pass


async def nothing_async(_):
    pass


def median(values):
    return sorted(values)[len(values) // 2]


def with_multiprocessing(workload, n):
    with multiprocessing.Pool(2) as pool:
        pool.map(nothing, range(1000))
        if workload == "pool_call":
            times = []
            for _ in range(n):
                t = now()
                pool.apply(nothing, (1,))
                times.append(now() - t)
            emit(workload, "multiprocessing", n, median(times) * 1e6, "us/call")
            return
        best = (9e9, 0)
        for chunk in CHUNKS:
            for _ in range(3):
                t = now()
                pool.map(nothing, range(n), chunksize=chunk)
                best = min(best, (now() - t, chunk))
        emit(workload, "multiprocessing", n, best[0] / n * 1e9, "ns/job", chunk=best[1])


async def with_aiomultiprocess(workload, n):
    from aiomultiprocess import Pool
    async with Pool(2) as pool:
        await pool.map(nothing_async, range(100))
        if workload == "pool_call":
            times = []
            for _ in range(n):
                t = now()
                await pool.apply(nothing_async, (1,))
                times.append(now() - t)
            emit(workload, "aiomultiprocess", n, median(times) * 1e6, "us/call")
            return
        t = now()
        await pool.map(nothing_async, range(n))
        emit(workload, "aiomultiprocess", n, (now() - t) / n * 1e9, "ns/job")


if __name__ == "__main__":
    workload, peer, count = sys.argv[1], sys.argv[2], n_arg(1000, 3)
    if peer == "multiprocessing":
        with_multiprocessing(workload, count)
    else:
        asyncio.run(with_aiomultiprocess(workload, count))
