import SwiftletCoroutines
import SwiftletLoop

extension ScheduleProgram {
    private struct Trouble: Error {}

    static let scopes = [
        ScheduleProgram(name: "withSpawnScope") {
            var (begun, ended) = (0, 0)
            let child = {
                begun += 1
                defer { ended += 1 }
                for _ in 0..<2 { try yield() }
            }
            try race(
                cancelling: [1],
                [
                    {
                        try withSpawnScope { scope in
                            for _ in 0..<2 { scope.spawn { try child() } }
                            try child()
                        }
                        try check(ended >= 3, "the scope has ended before its children")
                    },
                    {
                        defer { precondition(begun >= ended) }
                        try withSpawnScope { scope in
                            scope.spawn { try sleep(.seconds(3)) }
                            try child()
                        }
                    },
                ])
            try check(begun == ended, "\(begun) have begun and \(ended) ended")
        },
        ScheduleProgram(name: "withSpawnScope, a child fails") {
            var (begun, ended) = (0, 0)
            let child = {
                begun += 1
                defer { ended += 1 }
                try Event().wait()
            }
            try race([
                {
                    do {
                        try withSpawnScope { scope in
                            scope.spawn { try child() }
                            scope.spawn {
                                try yield()
                                throw Trouble()
                            }
                            try withSpawnScope { inner in inner.spawn { try child() } }
                        }
                        try check(false, "the failure was forgotten")
                    } catch let group as ErrorGroup {
                        try check(group.leaves.count == 1 && group.leaves[0] is Trouble, "\(group)")
                    }
                    try check(begun == ended, "\(begun) have begun and \(ended) ended")
                },
                { for _ in 0..<3 { try yield() } },
            ])
        },
        ScheduleProgram(name: "withCancelScope and deadlines") {
            var late = 0
            try race(
                cancelling: [2],
                [
                    {
                        try withCancelScope { scope in
                            let canceller = spawn {
                                try yield()
                                scope.cancel()
                            }
                            defer { canceller.cancel() }
                            do {
                                try Event().wait()
                                try check(false, "a wait outlived its scope")
                            } catch is CancellationError {
                                // Each further wait throws, until the scope is left; a shield lets it.
                                do {
                                    try yield()
                                    try sleep(.milliseconds(1))
                                    try check(false, "a cancelled scope let somebody wait")
                                } catch is CancellationError {}
                                try shielded { try sleep(.milliseconds(1)) }
                            }
                        }
                    },
                    {
                        do {
                            _ = try withTimeout(.milliseconds(5)) { try Event().wait() }
                        } catch is DeadlineExceeded {
                            late += 1
                        }
                    },
                    { try withTimeout(.milliseconds(5)) { try sleep(.milliseconds(3)) } },
                ])
            try check(late == 1, "a deadline was forgotten")
        },
    ]
}
