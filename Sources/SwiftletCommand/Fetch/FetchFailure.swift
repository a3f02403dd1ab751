import Swiftlet
import SwiftletHTTP

/// What went wrong with a try, in the words of the command: what the library advises its callers is no help at a prompt.
struct FetchFailure {
    let kind: FetchResult.ErrorKind
    let message: String
    /// It did not connect, or the connection broke.
    let isRetryable: Bool

    init(_ error: any Error, timeout: Duration) {
        let cause = (error as? HTTPClientError)?.cause ?? error
        if cause is DeadlineExceeded {
            kind = .timeout
            message = "no complete answer within \(timeout): raise --timeout if it may take longer"
            isRetryable = false
            return
        }
        kind = Self.kind(of: cause)
        message = Self.message(cause)
        isRetryable =
            switch kind {
            case .connect: true
            case .protocol:
                // Reset at any time, or closed without a byte of an answer.
                cause is SocketError
                    || (error as? HTTPClientError)?.phase != .readBody && !(cause is HTTPParseError)
            default: false
            }
    }

    private static func kind(of cause: any Error) -> FetchResult.ErrorKind {
        #if TLS
            if cause is TLSError { return .tls }
        #endif
        switch cause {
        case let cause as SocketError where cause.reason == .timedOut: return .timeout
        case let cause as SocketError: return cause.operation == .connect ? .connect : .protocol
        case is HTTPTimeoutError: return .timeout
        case is ResolverError: return .dns
        case is HTTPURLError: return .url
        case HTTPRequestFault.needsTLS: return .tls
        case HTTPRequestFault.tooManyRedirects: return .http
        case is HTTPRequestFault: return .url
        default: return .protocol
        }
    }

    private static func message(_ cause: any Error) -> String {
        #if TLS
            if let cause = cause as? TLSError { return message(cause) }
        #endif
        switch cause {
        case HTTPRequestFault.needsTLS: return "https is not built in: this swiftlet was built without TLS"
        case CompressionError.unsupported(let coding):
            return
                "the body is \(coding), which is not built in: --header 'Accept-Encoding: identity' asks for it as it is"
        case CompressionError.expandsTooMuch(let limit):
            return "the body expands more than \(limit)-fold, as attacks do"
        default: return "\(cause)"
        }
    }

    #if TLS
        private static func message(_ cause: TLSError) -> String {
            switch cause.reason {
            case .certificate(let problem) where [.selfSigned, .unknownIssuer].contains(problem.kind):
                // Where OpenSSL's trust roots come from.
                "\(cause.phase.rawValue) with \(cause.peer): nobody who is trusted vouches for the certificate of "
                    + "\(problem.subject): SSL_CERT_FILE may name a file of further trust roots"
            case .alert(let text): "\(cause.phase.rawValue) with \(cause.peer): the server refused: \(text)"
            default: "\(cause)"
            }
        }
    #endif
}
