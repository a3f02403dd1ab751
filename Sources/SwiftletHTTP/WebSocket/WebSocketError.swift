import FoundationEssentials
public import HTTPTypes
import SwiftletLoop

/// Why a WebSocket could not be opened, or has ended.
public enum WebSocketError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The URL does not begin with ws, wss, http or https.
    case invalidURL(String)
    /// The server answered the handshake with another status than 101.
    case refused(HTTPResponse.Status)
    /// The server's handshake breaks the rules.
    case invalidHandshake(String)
    /// The close handshake was made, or this side's close frame has been sent: nothing can be sent any more, and nothing
    /// is received after the peer's.
    case closed(WebSocket.CloseCode, reason: String)
    /// The peer broke the rules or a limit. It has been told the code.
    case violation(WebSocket.CloseCode, String)
    /// The stream ended without a close handshake.
    case ended
    /// The peer answered no ping and sent nothing else.
    case peerIsSilent(after: Duration)
    /// What was to be sent cannot be.
    case cannotSend(String)

    public var description: String {
        switch self {
        case .invalidURL(let url): "\"\(url)\" is no URL of a WebSocket: begin it with ws:// or wss://"
        case .refused(let status):
            "the server answered the WebSocket handshake with \(status.code) \(status.reasonPhrase): check path and origin"
        case .invalidHandshake(let problem): "the server's WebSocket handshake is invalid: \(problem)"
        case .closed(let code, let reason):
            "the WebSocket was closed with \(code)" + (reason.isEmpty ? "" : ": \(reason)")
        case .violation(let code, let problem): "the peer broke the rules of WebSocket (\(code)): \(problem)"
        case .ended: "the peer's stream ended without a close handshake"
        case .peerIsSilent(let duration): "the peer has not answered a ping for \(duration.formatted)"
        case .cannotSend(let problem): "the message cannot be sent: \(problem)"
        }
    }
}

extension WebSocket {
    /// Why a WebSocket is closed (RFC 6455, 7.4).
    public struct CloseCode: Sendable, Hashable, RawRepresentable, CustomStringConvertible {
        public let rawValue: UInt16

        public init(rawValue: UInt16) { self.rawValue = rawValue }

        /// The purpose has been fulfilled.
        public static let normal = CloseCode(rawValue: 1000)
        /// The server goes down, or the browser leaves the page.
        public static let goingAway = CloseCode(rawValue: 1001)
        public static let protocolError = CloseCode(rawValue: 1002)
        /// A kind of message that is not accepted here.
        public static let unsupportedData = CloseCode(rawValue: 1003)
        /// The peer gave no code. Never sent.
        public static let none = CloseCode(rawValue: 1005)
        /// There was no close handshake. Never sent.
        public static let abnormal = CloseCode(rawValue: 1006)
        /// Text that is not UTF-8, or compressed data that is none.
        public static let invalidData = CloseCode(rawValue: 1007)
        public static let policyViolation = CloseCode(rawValue: 1008)
        public static let messageTooLong = CloseCode(rawValue: 1009)
        /// The client misses an extension that the server did not agree to.
        public static let missingExtension = CloseCode(rawValue: 1010)
        public static let internalError = CloseCode(rawValue: 1011)
        public static let serviceRestart = CloseCode(rawValue: 1012)
        public static let tryAgainLater = CloseCode(rawValue: 1013)

        /// May stand in a close frame: what RFC 6455 and its registry define for that, and 3000 to 4999 for libraries and
        /// applications.
        public var isSendable: Bool {
            switch rawValue {
            case 1000...1003, 1007...1014, 3000...4999: true
            default: false
            }
        }

        /// No more than a goodbye.
        var isOrderly: Bool { self == .normal || self == .goingAway || self == .none }

        public var description: String {
            switch self {
            case .normal: "1000 (normal)"
            case .goingAway: "1001 (going away)"
            case .protocolError: "1002 (protocol error)"
            case .unsupportedData: "1003 (unsupported data)"
            case .none: "1005 (no code)"
            case .abnormal: "1006 (no close handshake)"
            case .invalidData: "1007 (invalid data)"
            case .policyViolation: "1008 (policy violation)"
            case .messageTooLong: "1009 (message too long)"
            case .missingExtension: "1010 (missing extension)"
            case .internalError: "1011 (internal error)"
            case .serviceRestart: "1012 (service restart)"
            case .tryAgainLater: "1013 (try again later)"
            default: String(rawValue)
            }
        }
    }

    /// A message, in one piece.
    public enum Message: Sendable, Hashable {
        case text(String)
        case binary([UInt8])

        /// The text; `nil` for a binary message.
        public var text: String? {
            if case .text(let text) = self { text } else { nil }
        }

        /// The bytes, of a text its UTF-8.
        public var bytes: [UInt8] {
            switch self {
            case .text(let text): Array(text.utf8)
            case .binary(let bytes): bytes
            }
        }

        /// The message, read as JSON. aiohttp's `receive_json`.
        ///
        /// - Throws: `DecodingError`.
        public func json<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
            try JSONDecoder().decode(type, from: Data(bytes))
        }

        /// A text message of JSON. aiohttp's `send_json`.
        ///
        /// - Throws: `EncodingError`.
        public static func json(_ value: some Encodable) throws -> Message {
            .text(String(decoding: try JSONEncoder().encode(value), as: UTF8.self))
        }
    }

    /// What a message consists of.
    public enum Kind: Sendable, Hashable {
        /// UTF-8.
        case text
        case binary
    }
}
