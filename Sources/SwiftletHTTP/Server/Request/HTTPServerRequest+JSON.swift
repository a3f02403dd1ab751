import FoundationEssentials
public import HTTPTypes

extension HTTPServerRequest {
    /// The whole body, read as JSON.
    ///
    /// Cancellation: ends the wait.
    /// - Throws: `HTTPAbort` with 400 that says what is wrong with the body; what `bytes` throws.
    public func json<Value: Decodable>(_ type: Value.Type = Value.self, limit: Int? = nil) throws -> Value {
        try Self.decode(type, try bytes(limit: limit))
    }

    /// The whole body, read as JSON, for a task.
    ///
    /// Cancellation: ends the wait.
    public func json<Value: Decodable>(_ type: Value.Type = Value.self, limit: Int? = nil) async throws -> Value {
        try Self.decode(type, try await bytes(limit: limit))
    }

    private static func decode<Value: Decodable>(_ type: Value.Type, _ bytes: [UInt8]) throws -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch let error as DecodingError {
            throw HTTPAbort(.badRequest, "the body is not the JSON that is expected: \(error.reason)")
        }
    }
}

extension HTTPServerResponse {
    /// An answer of JSON.
    ///
    /// - Throws: `EncodingError`.
    public static func json(
        _ value: some Encodable, status: HTTPResponse.Status = .ok, headers: HTTPFields = [:]
    ) throws -> HTTPServerResponse {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return HTTPServerResponse(
            status: status, headers: headers, bytes: Array(try encoder.encode(value)), contentType: "application/json")
    }
}

extension DecodingError {
    /// What is wrong, and where, for the client.
    fileprivate var reason: String {
        switch self {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            Self.place(context.codingPath) + context.debugDescription
        case .keyNotFound(let key, let context): Self.place(context.codingPath) + "\(key.stringValue) is missing"
        @unknown default: "it cannot be read"
        }
    }

    private static func place(_ path: [any CodingKey]) -> String {
        path.isEmpty ? "" : path.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".") + ": "
    }
}
