import CSwiftlet
public import Swiftlet
public import Testing

/// Runs the body in the main fiber of a loop on a thread of its own. It must park, and leave no stack.
public func onLoop<Value: Sendable>(
    parks: Bool = true, at place: SourceLocation = #_sourceLocation, _ body: @escaping @Sendable () throws -> Value
) async throws -> Value {
    ReportLog.begin()
    return try await onFreshThread { () throws -> Value in
        let value = try EventLoop.run(takesOver: false) { () throws -> Value in
            let loop = try EventLoop.current
            let before = loop.statistics.parks
            let value = try body()
            if parks { #expect(loop.statistics.parks > before, "nothing parked", sourceLocation: place) }
            return value
        }
        #expect(swiftlet_stack_count(currentThread()).live == 0, "stacks are left", sourceLocation: place)
        return value
    }
}

/// Runs the body in the main task of a loop on a thread of its own. It must park, and leave no stack.
public func onTaskLoop<Value: Sendable>(
    parks: Bool = true, at place: SourceLocation = #_sourceLocation,
    _ body: @escaping @Sendable (EventLoop) async throws -> Value
) async throws -> Value {
    ReportLog.begin()
    return try await onFreshThread { () throws -> Value in
        let value = try EventLoop.run(takesOver: false) { () async throws -> Value in
            let loop = try EventLoop.current
            let before = loop.statistics.parks
            let value = try await body(loop)
            #expect(loop.isCurrent, sourceLocation: place)
            if parks { #expect(loop.statistics.parks > before, "nothing parked", sourceLocation: place) }
            return value
        }
        #expect(swiftlet_stack_count(currentThread()).live == 0, "stacks are left", sourceLocation: place)
        return value
    }
}

/// Runs the body until it has parked, so that what follows finds it waiting.
public func spawnAndPark<Value>(_ body: @escaping () throws -> Value) throws -> Fiber<Value> {
    let fiber = spawn { try body() }
    for _ in 0..<3 { try yield() }
    return fiber
}

/// The error that a call throws.
public func failure<Failure: Error>(_ type: Failure.Type, of body: () throws -> some Any) throws -> Failure {
    try #require(#expect(throws: type) { _ = try body() })
}
