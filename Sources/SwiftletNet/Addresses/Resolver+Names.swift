import Glibc
public import SwiftletLoop

extension Resolver {
    /// What an address is called.
    public struct Names: Sendable, Hashable {
        /// The host's name; its address in numbers, when it has none.
        public let host: String
        /// What usually serves at the port, such as "http"; the port in numbers, when that is not known.
        public let service: String
    }

    /// What an address is called, by the system's name service. asyncio's `getnameinfo`.
    ///
    /// The look-up runs on a thread of the bounded pool of `toThread`; nothing is remembered.
    ///
    /// Cancellation: ends the wait.
    /// - Parameters:
    ///   - address: an IPv4 or IPv6 address.
    ///   - isNumeric: asks nobody: the answer is the numbers.
    ///   - deadline: when to give up.
    /// - Throws: `ResolverError`; `DeadlineExceeded`; `CancellationError`.
    public static func names(
        of address: SocketAddress, isNumeric: Bool = false, until deadline: Deadline? = nil
    ) throws -> Names {
        if isNumeric { return try systemNames(of: address, NI_NUMERICHOST | NI_NUMERICSERV) }
        func ask() throws -> Names { try toThread { try systemNames(of: address, 0) } }
        return try deadline.map { try withDeadline($0, ask) } ?? ask()
    }

    /// What an address is called, from a task.
    ///
    /// Cancellation: ends the wait.
    /// - Throws: `ResolverError`; `DeadlineExceeded`; `CancellationError`.
    public static func names(
        of address: SocketAddress, isNumeric: Bool = false, until deadline: Deadline? = nil
    ) async throws -> Names {
        try await parkInTask { try names(of: address, isNumeric: isNumeric, until: deadline) }
    }

    private static func systemNames(of address: SocketAddress, _ flags: CInt) throws -> Names {
        var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        var service = [CChar](repeating: 0, count: 32)  // NI_MAXSERV, which Glibc's Swift module lacks
        let status = address.withRaw { raw in
            getnameinfo(
                raw.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(raw.count), &host,
                socklen_t(host.count), &service, socklen_t(service.count), flags)
        }
        guard status == 0 else {
            throw ResolverError(
                host: address.description, reason: .lookup(code: status, errno: status == EAI_SYSTEM ? errno : 0))
        }
        func text(_ characters: [CChar]) -> String {
            String(decoding: characters.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        return Names(host: text(host), service: text(service))
    }
}
