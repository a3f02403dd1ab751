public import Synchronization

/// Which one of the queues that a stack waits in may decide its wait: the first to take this.
@usableFromInline
final class SelectClaim: Sendable {
    @usableFromInline let isTaken = Atomic<Bool>(false)

    init() {}

    @inlinable
    func take() -> Bool { !isTaken.exchange(true, ordering: .acquiringAndReleasing) }
}
