import Swiftlet

/// What may be acquired and released without anybody else wanting it.
enum LockKind: String {
    case lock, semaphore
}

/// Now and then the loop turns, or its watchdog would rightly complain.
private let pairsPerTurn = 100_000

/// One fiber that acquires and releases what nobody else wants.
func measureLock(count: Int, _ kind: LockKind) throws {
    let elapsed = try EventLoop.run { () throws -> Duration in
        switch kind {
        case .lock:
            let lock = Lock()
            return try ContinuousClock().measure {
                for number in 0..<count {
                    if number % pairsPerTurn == 0 { try yield() }
                    try lock.acquire()
                    try lock.release()
                }
            }
        case .semaphore:
            let semaphore = Semaphore(1)
            return try ContinuousClock().measure {
                for number in 0..<count {
                    if number % pairsPerTurn == 0 { try yield() }
                    try semaphore.acquire()
                    semaphore.release()
                }
            }
        }
    }
    emit("lock", "swiftlet-\(kind.rawValue)", count: count, value: elapsed.nanoseconds(per: count), unit: "ns/pair")
}
