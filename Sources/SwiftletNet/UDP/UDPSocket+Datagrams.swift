import CSwiftlet
import Glibc
public import SwiftletLoop

extension UDPSocket {
    // MARK: Receiving

    /// Waits for the next datagram.
    ///
    /// Cancellation: ends the wait; no datagram is lost.
    /// - Parameters:
    ///   - limit: the most bytes to take of it; the rest would be lost.
    ///   - deadline: when to give up.
    /// - Throws: `SocketError`; with `ECONNREFUSED` when a connected peer has said that nobody receives there.
    ///   `CancellationError`.
    public func receive(upTo limit: Int = largestDatagram, until deadline: Deadline? = nil) throws -> Datagram {
        try receiveNext(upTo: limit, until: deadline)
    }

    /// Waits for the next datagram, from a task.
    ///
    /// Cancellation: ends the wait; no datagram is lost.
    /// - Throws: `SocketError`; `CancellationError`.
    public func receive(
        upTo limit: Int = largestDatagram, until deadline: Deadline? = nil
    ) async throws -> Datagram {
        try await parkInTask { try self.receiveNext(upTo: limit, until: deadline) }
    }

    private func receiveNext(upTo limit: Int, until deadline: Deadline?) throws -> Datagram {
        do {
            while true {
                // Memory only once there is something to put in.
                try descriptor.waitUnlessReady(.reading, until: deadline)
                if let datagram = try receiveNow(upTo: max(limit, 0)) { return datagram }
                try descriptor.refused(.reading, until: deadline)
            }
        } catch {
            throw SocketError.translate(error, .receive, (remoteAddress ?? localAddress).description)
        }
    }

    private func receiveNow(upTo limit: Int) throws -> Datagram? {
        try withUnsafeTemporaryAllocation(byteCount: SocketAddress.rawSize, alignment: 8) { raw in
            var length = CInt(SocketAddress.rawSize)
            var isTruncated = false
            var status = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
                status = swiftlet_datagram_receive(
                    descriptor.number, buffer.baseAddress, limit, raw.baseAddress, &length, &isTruncated)
                count = max(status, 0)
            }
            if status == -Int(EAGAIN) { return nil }
            guard status >= 0 else { throw failure(.receive, status, peer: remoteAddress) }
            let sender = SocketAddress(raw: UnsafeRawBufferPointer(rebasing: raw[..<Int(length)]))
            return Datagram(bytes: bytes, sender: sender ?? remoteAddress ?? localAddress, isTruncated: isTruncated)
        }
    }

    // MARK: Sending

    /// Sends one datagram.
    ///
    /// That it was sent does not tell that it arrives.
    ///
    /// Cancellation: ends the wait for room in the kernel's queue; nothing is sent.
    /// - Parameters:
    ///   - bytes: at most 65507 over IPv4; more than about 1400 travel in pieces.
    ///   - address: whom to; by default the peer it is connected to.
    ///   - deadline: when to give up.
    /// - Throws: `SocketError`; `CancellationError`.
    public func send(_ bytes: [UInt8], to address: SocketAddress? = nil, until deadline: Deadline? = nil) throws {
        try sendOne(bytes, to: address, until: deadline)
    }

    /// Sends a text as one datagram, in UTF-8.
    ///
    /// Cancellation: ends the wait for room in the kernel's queue; nothing is sent.
    /// - Throws: `SocketError`; `CancellationError`.
    public func send(_ text: String, to address: SocketAddress? = nil, until deadline: Deadline? = nil) throws {
        try sendOne(Array(text.utf8), to: address, until: deadline)
    }

    /// Sends one datagram, from a task.
    ///
    /// Cancellation: ends the wait for room in the kernel's queue; nothing is sent.
    /// - Throws: `SocketError`; `CancellationError`.
    public func send(_ bytes: [UInt8], to address: SocketAddress? = nil, until deadline: Deadline? = nil) async throws {
        try await parkInTask { try self.sendOne(bytes, to: address, until: deadline) }
    }

    /// Sends a text as one datagram, in UTF-8, from a task.
    ///
    /// Cancellation: ends the wait for room in the kernel's queue; nothing is sent.
    /// - Throws: `SocketError`; `CancellationError`.
    public func send(_ text: String, to address: SocketAddress? = nil, until deadline: Deadline? = nil) async throws {
        try await parkInTask { try self.sendOne(Array(text.utf8), to: address, until: deadline) }
    }

    private func sendOne(_ bytes: [UInt8], to address: SocketAddress?, until deadline: Deadline?) throws {
        do {
            while true {
                try descriptor.waitUnlessReady(.writing, until: deadline)
                let status = sendNow(bytes, to: address)
                if status >= 0 { return }
                guard status == -Int(EAGAIN) else { throw failure(.send, status, peer: address ?? remoteAddress) }
                try descriptor.refused(.writing, until: deadline)
            }
        } catch {
            throw SocketError.translate(error, .send, (address ?? remoteAddress ?? localAddress).description)
        }
    }

    private func sendNow(_ bytes: [UInt8], to address: SocketAddress?) -> Int {
        bytes.withUnsafeBytes { bytes in
            guard let address else {
                return swiftlet_datagram_send(descriptor.number, bytes.baseAddress, bytes.count, nil, 0)
            }
            return address.withRaw {
                swiftlet_datagram_send(
                    descriptor.number, bytes.baseAddress, bytes.count, $0.baseAddress, CInt($0.count))
            }
        }
    }
}
