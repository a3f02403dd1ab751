import SwiftletCoroutines

/// Everything that went wrong in a spawn scope, in the order in which it did. Python's `ExceptionGroup`.
///
/// Always a group, also for one error, so that a caller needs one `catch` only. The group of a nested scope stays one
/// element of the outer scope's: the errors form the tree that the scopes do.
public struct ErrorGroup: Error, CustomStringConvertible {
    /// The errors, never empty. A nested scope's are one `ErrorGroup` among them.
    public let errors: [any Error]

    /// Where the scope was opened, as `Module/File.swift:line`.
    public let origin: String

    init(_ errors: [any Error], origin: String) {
        self.errors = errors
        self.origin = origin
    }

    /// The errors of this scope and of all nested ones, without the tree.
    public var leaves: [any Error] {
        errors.flatMap { ($0 as? ErrorGroup)?.leaves ?? [$0] }
    }

    /// The group that holds only the errors wanted, the tree kept; `nil` if there are none. Python's `subgroup`.
    public func filter(_ isWanted: (any Error) throws -> Bool) rethrows -> ErrorGroup? {
        let kept = try errors.compactMap { error -> (any Error)? in
            if let nested = error as? ErrorGroup { return try nested.filter(isWanted) }
            return try isWanted(error) ? error : nil
        }
        return kept.isEmpty ? nil : ErrorGroup(kept, origin: origin)
    }

    public var description: String {
        let count = errors.count == 1 ? "1 error" : "\(errors.count) errors"
        let lines = errors.map { error in
            "- "
                + String(describing: error).split(separator: "\n", omittingEmptySubsequences: false).joined(
                    separator: "\n  ")
        }
        return (["\(count) in the spawn scope at \(origin):"] + lines).joined(separator: "\n")
    }
}

/// Misuse of a spawn scope.
public enum SpawnScopeError: Error, Hashable, CustomStringConvertible {
    /// `spawn` after the scope's end.
    case ended
    /// A fiber was spawned from another thread than the scope's.
    case wrongThread
    /// A child that `start` waits for ended without having said that it is ready.
    case endedBeforeReady
    /// A child said twice that it is ready.
    case alreadyReady

    public var description: String {
        switch self {
        case .ended: "the spawn scope has ended: spawn inside its body, or from a child of it that still runs"
        case .wrongThread:
            """
            a fiber must be spawned on the scope's own thread: spawn async code instead ({ () async throws -> … in }), \
            or get there first with EventLoop.perform { }
            """
        case .endedBeforeReady: "the child ended before it was ready: call the signal that it is given, or use spawn"
        case .alreadyReady: "the child has said already that it is ready"
        }
    }
}
