import CSwiftlet
import SwiftletCoroutines

// Errors thrown into a running fiber: by `kill`, by a `FiberTimeout`. Each is thrown once, at the wait that is pending or
// at the next one; later waits go on as usual. (`cancel()` makes every wait throw.) The flag `owner_is_cancelled` of the
// fiber's stack, which each wait looks at, is set as long as the fiber is cancelled or errors are in
// `FiberExtras.interrupts`.

/// An error that waits to be thrown into a fiber.
struct Interrupt {
    let error: any Error
    /// Who may take it back.
    let source: FiberTimeout?
}

extension AnyFiber {
    /// Throws an error where the fiber waits. One that has not started never runs and ends with the error. From any thread.
    final func interrupt(with error: any Error, from source: FiberTimeout? = nil) {
        guard loop.isCurrent else {
            loop.perform { self.interrupt(with: error, from: source) }
            return
        }
        switch state {
        case .finished: break
        case .unstarted: finishUnstarted(error)
        case .running:
            makeExtras().interrupts.append(Interrupt(error: error, source: source))
            unsafe context?.pointee.owner_is_cancelled = true
            endPendingWait()
        }
    }

    /// Takes back what has not been thrown yet.
    final func withdrawInterrupt(from source: FiberTimeout) {
        guard let extras = unsafe extras, !extras.interrupts.isEmpty else { return }
        extras.interrupts.removeAll { $0.source === source }
        unsafe context?.pointee.owner_is_cancelled = isCancelRequested || !extras.interrupts.isEmpty
    }

    fileprivate final func takeCancellation() -> any Error {
        guard let extras = unsafe extras, !extras.interrupts.isEmpty else { return CancellationError() }
        let error = extras.interrupts.removeFirst().error
        unsafe context?.pointee.owner_is_cancelled = isCancelRequested || !extras.interrupts.isEmpty
        return error
    }
}

extension ContextPointer {
    /// What a wait of this flow throws that was ended, or not begun, because of a cancellation.
    @inline(never)
    func takeCancellation() -> any Error {
        guard unsafe Int(pointee.kind) == Int(SWIFTLET_KIND_FIBER.rawValue), unsafe pointee.owner_is_cancelled else {
            return CancellationError()
        }
        // Safe: what runs on a stack is held by whoever runs it there.
        return unsafe Unmanaged<AnyFiber>.fromOpaque(pointee.owner).takeUnretainedValue().takeCancellation()
    }
}
