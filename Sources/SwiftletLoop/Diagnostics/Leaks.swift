import CSwiftlet
import SwiftletCoroutines

/// What is told at the end of a loop's program while somebody inspects the process, or in debug mode: what should have ended
/// or been closed by then. Without, a loop ends quietly whatever is left.
extension EventLoop {
    private static let mostNames = 20

    /// Fibers that will be cancelled now.
    func reportLeftFibers(_ fibers: [AnyFiber]) {
        let left = fibers.filter { unsafe $0.extras?.isBackground != true && $0.extras?.isMain != true }
        guard configuration.isDebug || DescriptorOrigins.areNoted, !left.isEmpty else { return }
        let lines = left.prefix(Self.mostNames).map { fiber in
            let name = fiber.name.hasSuffix(fiber.origin) ? fiber.name : "\(fiber.name) (spawned at \(fiber.origin))"
            return "    \(name)"
        }
        Report(
            .leak,
            """
            \(left.count) fibers still ran when the program of their loop ended, and are cancelled. Join them, spawn them in \
            withSpawnScope { }, or cancel them before:
            \((lines + (left.count > Self.mostNames ? ["    and others"] : [])).joined(separator: "\n"))
            """
        ).post()
    }

    /// Descriptors that were made on this loop and are still open.
    func reportOpenDescriptors() {
        for group in DescriptorOrigins.open(on: self) {
            let numbers = group.numbers.prefix(Self.mostNames).map { "\($0)" }.joined(separator: ", ")
            let frames = group.frames.prefix(16).map { "    " + Inspection.name(of: $0) }
            Report(
                .leak,
                """
                \(group.numbers.count) descriptors (\(numbers)) that were made on a loop are open at its end. Close each where \
                it was made: defer { x.close() }. They were made here:
                \(frames.joined(separator: "\n"))
                """
            ).post()
        }
    }
}
