import Swiftlet

extension HTTPServerRequest {
    /// A request's body as a stream: pieces as they come, without the chunked coding. Nothing is read ahead of the handler, so
    /// a client that sends faster waits.
    ///
    /// ```swift
    /// while let piece = try request.body.next() { try file.write(piece) }     // in a fiber
    /// for try await piece in request.body { await store.append(piece) }       // in a task
    /// ```
    /// There is no limit on its length here; `HTTPServerRequest.bytes` has one. A client that sends less than a kilobyte within
    /// the server's `bodyTimeout` gets 408.
    public struct Body: AsyncSequence, Sendable {
        let request: HTTPServerRequest

        /// The next piece; `nil` at the end.
        ///
        /// Cancellation: ends the wait.
        /// - Throws: `HTTPParseError` for a malformed body; `HTTPAbort` with 408; `SocketError`; `CancellationError`;
        ///   `HTTPRequestOver`. The first two are the answer, if the handler lets them pass.
        public func next() throws -> [UInt8]? { try request.bodySource?.next() }

        /// The next piece, for a task; `nil` at the end.
        ///
        /// Cancellation: ends the wait.
        public func next() async throws -> [UInt8]? { try await parkInTask { try request.bodySource?.next() } }

        public func makeAsyncIterator() -> Iterator { Iterator(body: self) }

        /// Gives the pieces to a task.
        public struct Iterator: AsyncIteratorProtocol {
            let body: Body

            public func next() async throws -> [UInt8]? { try await body.next() }
        }
    }
}

extension HTTPServerRequest {
    /// The body as a stream.
    public var body: Body { Body(request: self) }

    /// The whole body, or what has not been read of it.
    ///
    /// Cancellation: ends the wait.
    /// - Parameter limit: the most bytes; `nil` takes the server's `limits.bodyLength`.
    /// - Throws: `HTTPAbort` with 413 for a longer body, which is not read; what `HTTPServerRequest.Body.next` throws.
    public func bytes(limit: Int? = nil) throws -> [UInt8] { try bodySource?.all(limit: limit ?? bodyLimit) ?? [] }

    /// The whole body, for a task.
    ///
    /// Cancellation: ends the wait.
    public func bytes(limit: Int? = nil) async throws -> [UInt8] {
        try await parkInTask { try self.bodySource?.all(limit: limit ?? self.bodyLimit) ?? [] }
    }

    /// The whole body as UTF-8, with invalid bytes replaced.
    public func text(limit: Int? = nil) throws -> String { String(decoding: try bytes(limit: limit), as: UTF8.self) }

    /// The whole body as UTF-8, for a task.
    public func text(limit: Int? = nil) async throws -> String {
        String(decoding: try await bytes(limit: limit), as: UTF8.self)
    }
}
