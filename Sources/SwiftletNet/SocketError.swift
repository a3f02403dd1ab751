import Glibc
import SwiftletLoop

/// An operation on a socket, or on another stream of bytes, that failed: what was done, with whom, why, and what helps.
public struct SocketError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What was being done.
    public enum Operation: String, Sendable, Hashable {
        case connect
        case listen
        case accept
        case read
        case write
        case closeWriting = "end writing"
        case bind
        case receive
        case send
        case handshake = "TLS handshake"
    }

    /// Why it failed.
    public enum Reason: Sendable, Hashable {
        /// The kernel's answer, one of the codes of errno(3).
        case system(errno: CInt)
        /// The peer did nothing until the timeout or the deadline.
        case timedOut
        /// It was closed on this side, before or meanwhile.
        case closed
        /// The peer ended its stream when more was needed. Counted in bytes.
        case unexpectedEnd(received: Int, expected: Int)
        /// The stream ended before what it was read up to. Counted in bytes.
        case missingDelimiter(received: Int)
        /// The peer sent more than the reader accepts at once: so many bytes.
        case limitExceeded(Int)

        /// What a system call answered: a negative errno.
        init(status: some SignedInteger) {
            self = status == -Int(EBADF) ? .closed : .system(errno: CInt(-status))
        }
    }

    public let operation: Operation
    /// The other side, or for a listener its own address; a name that was asked for comes first.
    public let peer: String
    public let reason: Reason

    package init(_ operation: Operation, _ peer: String, _ reason: Reason) {
        self.operation = operation
        self.peer = peer
        self.reason = reason
    }

    /// The peer has gone away, or its connection broke: nothing that this side did wrong.
    public var isDisconnection: Bool {
        switch reason {
        case .system(let errno):
            [ECONNRESET, EPIPE, ECONNABORTED, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH].contains(errno)
        case .unexpectedEnd, .missingDelimiter: true
        case .timedOut, .closed, .limitExceeded: false
        }
    }

    public var description: String {
        switch reason {
        case .system(let errno):
            "\(operation.rawValue) \(preposition) \(peer): \(String(cString: strerror(errno))) (errno \(errno))"
                + (advice(errno).map { "; \($0)" } ?? "")
        case .timedOut:
            "\(operation.rawValue) \(preposition) \(peer): timed out; is the peer overloaded, or the timeout too short?"
        case .closed: "\(operation.rawValue) \(preposition) \(peer): it was closed on this side"
        case .unexpectedEnd(let received, let expected):
            "\(operation.rawValue) \(preposition) \(peer): the peer ended after \(received) of \(expected) bytes"
        case .missingDelimiter(let received):
            "\(operation.rawValue) \(preposition) \(peer): the peer ended after \(received) bytes, before the delimiter"
        case .limitExceeded(let limit):
            "\(operation.rawValue) \(preposition) \(peer): more than the \(limit) bytes that are accepted; raise the limit"
        }
    }

    private var preposition: String {
        switch operation {
        case .listen, .accept, .bind: "at"
        case .read, .receive: "from"
        case .connect, .write, .closeWriting, .send: "to"
        case .handshake: "with"
        }
    }

    private func advice(_ errno: CInt) -> String? {
        switch (errno, operation) {
        case (ECONNREFUSED, _): "nothing listens there: start the server, or check the port"
        case (EADDRINUSE, .listen) where peer.hasPrefix("unix:"):
            "another program listens there, or a file is there that is no socket: choose another path"
        case (EACCES, .listen) where peer.hasPrefix("unix:"):
            "this process may not make files there: choose another folder"
        case (ENOENT, .listen): "the folder is missing: make it"
        case (ENAMETOOLONG, _): "the path of a socket has at most 107 bytes"
        case (EADDRINUSE, .listen), (EADDRINUSE, .bind):
            "the port is taken: end the program that has it, or choose another; port 0 picks a free one"
        case (EADDRINUSE, _), (EADDRNOTAVAIL, .connect):
            "this machine has no local port left for that peer: reuse connections, or have fewer at once"
        case (EADDRNOTAVAIL, _): "this machine does not have that address"
        case (EMSGSIZE, .send): "a datagram carries at most 65507 bytes over IPv4: send smaller ones"
        case (EACCES, .send): "a broadcast address needs setAllowsBroadcast(true)"
        case (EDESTADDRREQ, .send): "the socket is not connected: say to whom, with send(_:to:)"
        case (EACCES, .listen), (EACCES, .bind):
            "ports below 1024 need a privilege (CAP_NET_BIND_SERVICE): choose a higher one"
        case (ENOTSOCK, .listen), (EBADF, .listen), (EINVAL, .listen):
            "it has to be a stream socket that listens, of the kind that is asked for"
        case (ENOENT, .connect): "nothing has that path: start the server, or check the path"
        case (ENODATA, .write): "the file became shorter while it was sent"
        case (EMFILE, _): "raise the limit of open files with ulimit -n"
        case (ENFILE, _): "raise the system's limit of open files (fs.file-max)"
        case (ENETUNREACH, _), (EHOSTUNREACH, _): "check the network"
        case (ECONNRESET, _), (EPIPE, _): "the peer has closed the connection"
        case (EBUSY, _): "another loop waits on it: use it from one loop at a time"
        default: nil
        }
    }

    /// What the layers below throw, as this operation's error. Cancellation stays what it is.
    static func translate(_ error: any Error, _ operation: Operation, _ peer: @autoclosure () -> String) -> any Error {
        switch error {
        case is DeadlineExceeded: SocketError(operation, peer(), .timedOut)
        case let error as DescriptorError:
            SocketError(operation, peer(), .init(status: -error.errno))
        default: error
        }
    }
}
