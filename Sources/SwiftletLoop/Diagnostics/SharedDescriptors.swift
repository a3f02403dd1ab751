import CSwiftlet
import SwiftletCoroutines

/// For loops whose configuration asks for it: who waits for one side of one descriptor together.
///
/// Nobody is refused. Several readers of a descriptor are allowed by POSIX, so C code knows no error for them.
extension EventLoop {
    /// Called before the running stack waits for a side of a descriptor.
    @inline(__always)
    func noteWait(for number: CInt, _ side: Readiness) {
        if configuration.reportsSharedDescriptors { reportSharing(of: number, side) }
    }

    @inline(never)
    private func reportSharing(of number: CInt, _ side: Readiness) {
        let entry = unsafe descriptors.entry(number)
        let first = unsafe side == .reading ? entry.pointee.readers.longest : entry.pointee.writers.longest
        guard let first = unsafe first, unsafe !entry.pointee.isSharingReported else { return }
        unsafe entry.pointee.isSharingReported = true
        let second = unsafe thread.pointee.current!
        let parked = unsafe frames { unsafe swiftlet_backtrace_of_context(first, $0, $1) }
        let here = unsafe frames { unsafe swiftlet_backtrace_here($0, $1) }
        let report = Report(
            .sharedDescriptor,
            """
            \(unsafe describeStack(second)) is about to wait until descriptor \(number) can be \(side == .reading ? "read" : "written"), \
            as does \(unsafe describeStack(first)). Which of them gets what comes depends on who waited first: let one of them \
            do it, or put a Lock around it.
            The first waits here:
            \(parked.joined(separator: "\n"))
            The second comes from here:
            \(here.joined(separator: "\n"))
            """)
        // A handler may park; between the look at the descriptor and the wait for it nothing may come in between.
        callInNextTurn(file: #fileID, line: #line) { report.post() }
    }

    private func describeStack(_ context: ContextPointer) -> String {
        let (name, origin) = unsafe nameStack(context)
        return name + (origin.map { name.hasSuffix($0) ? "" : " (spawned at \($0))" } ?? "")
    }

    private func frames(_ gather: (UnsafeMutablePointer<UnsafeMutableRawPointer?>, CInt) -> CInt) -> [String] {
        var addresses = unsafe [UnsafeMutableRawPointer?](repeating: nil, count: 24)
        let count = unsafe addresses.withUnsafeMutableBufferPointer { unsafe gather($0.baseAddress!, CInt($0.count)) }
        return unsafe addresses.prefix(Int(max(count, 0))).map { unsafe "    " + describeAddress($0) }
    }
}
