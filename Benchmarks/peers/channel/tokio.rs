#[path = "../common/peer.rs"]
mod peer;
use peer::*;

fn main() {
    let n = n_arg(1, 10_000_000);
    let rt = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let run = async move {
        let (atx, mut arx) = tokio::sync::mpsc::channel::<usize>(1);
        let (btx, mut brx) = tokio::sync::mpsc::channel::<usize>(1);
        tokio::spawn(async move {
            while let Some(x) = arx.recv().await {
                if btx.send(x + 1).await.is_err() { break }
            }
        });
        let t = std::time::Instant::now();
        let mut x = 0;
        for _ in 0..n / 2 {
            atx.send(x).await.unwrap();
            x = brx.recv().await.unwrap();
        }
        assert_eq!(x, n / 2);
        t.elapsed().as_nanos() as f64
    };
    let ns = rt.block_on(async move { tokio::spawn(run).await.unwrap() });
    emit("channel", "tokio-current-thread", n, ns / n as f64, "ns/message", "");
}
