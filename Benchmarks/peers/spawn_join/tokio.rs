#[path = "../common/peer.rs"]
mod peer;
use peer::*;
use std::sync::atomic::{AtomicUsize, Ordering};
static HITS: AtomicUsize = AtomicUsize::new(0);

fn main() {
    let n = n_arg(1, 1_000_000);
    let batch = n_arg(2, 1000);
    let rt = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let run = async move {
        let t = std::time::Instant::now();
        let mut hs = Vec::with_capacity(batch);
        for _ in 0..n / batch {
            for _ in 0..batch {
                hs.push(tokio::spawn(async { HITS.fetch_add(1, Ordering::Relaxed); }));
            }
            for h in hs.drain(..) {
                h.await.unwrap();
            }
        }
        t.elapsed().as_nanos() as f64
    };
    // The spawner is itself a task.
    let ns = rt.block_on(async move { tokio::spawn(run).await.unwrap() });
    assert_eq!(HITS.load(Ordering::Relaxed), n / batch * batch);
    emit("spawn_join", "tokio-current-thread", n, ns / n as f64, "ns/coroutine", "");
}
