import CSwiftletPool
import Glibc
import SwiftletLoop

/// Frames in both directions over the socket between a pool and a worker. On one loop.
///
/// Sending never waits. What is sent in one turn of the loop goes out with one call to the kernel at its end; what the
/// kernel does not take is written by a fiber as it does. Small frames overtake large payloads, which go from where they lie, are
/// cut into pieces, and take turns.
///
/// States: open -> ended, by either side or by an error.
final class FrameChannel: @unchecked Sendable {
    /// Larger payloads go in pieces of this size, so that others are not held up.
    static let pieceSize = 128 * 1024
    /// Larger payloads go from where they lie: a copy would cost more than a call to the kernel.
    private static let largeSize = 16 * 1024

    private let descriptor: Descriptor
    private let loop: EventLoop
    /// From how many bytes on a payload goes through shared memory.
    var sharedMemoryThreshold = Int.max

    private let outgoing = ByteWriter(capacity: 4096)
    private var sent = 0
    /// Large payloads that are under way.
    private var large: [LargeFrame] = []
    /// The piece whose turn it is.
    private var piece: Piece?
    private var willFlush = false
    private var isWriting = false
    /// What the other side has been given and still uses.
    private var lent: [UInt64: SharedMemory] = [:]
    private(set) var hasEnded = false

    private struct LargeFrame {
        let frame: Frame
        let payload: Payload
        var sent = 0
        /// Goes instead of the bytes.
        var memory: SharedMemory?
    }

    /// A piece of a large payload.
    private struct Piece {
        let payload: Payload
        /// What is still to be sent of it.
        var range: Range<Int>
        /// Where in `outgoing` it goes: right behind its header, and before what was appended since.
        let place: Int

        var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: payload.bytes[range]) }
    }

    init(owning socket: CInt, loop: EventLoop) {
        descriptor = Descriptor(owning: socket)
        self.loop = loop
        SharedMemory.socketOpened()
    }

    deinit { SharedMemory.socketClosed() }

    // MARK: Sending

    func send(_ frame: Frame) { send(frame, UnsafeRawBufferPointer(start: nil, count: 0)) }

    func send(_ frame: Frame, _ value: some Encodable) throws {
        let encoder = BinaryEncoder()
        try encoder.encode(value)
        send(frame, encoder.writer.bytes)
    }

    /// Sends a frame; the payload is copied.
    func send(_ frame: Frame, _ payload: UnsafeRawBufferPointer) {
        if payload.count > Self.largeSize { return send(frame, Payload(copying: payload)) }
        append(frame, payload)
        flushSoon()
    }

    /// Sends a frame; a large payload is kept until it is written.
    func send(_ frame: Frame, _ payload: Payload) {
        guard payload.bytes.count > Self.largeSize else { return send(frame, payload.bytes) }
        var frame = LargeFrame(frame: frame, payload: payload)
        if payload.bytes.count >= sharedMemoryThreshold {
            // Without descriptors or memory for it the bytes go through the socket.
            frame.memory = payload.memory ?? SharedMemory(copying: payload.bytes)
        }
        large.append(frame)
        flushSoon()
    }

    /// Takes back a call of which not all has been sent.
    ///
    /// - Returns: whether there is one. The other side never has it then; what has gone is forgotten there.
    func withdraw(_ call: UInt64) -> Bool {
        guard let index = large.firstIndex(where: { $0.frame.call == call && $0.frame.kind == .call }) else {
            return false
        }
        if large.remove(at: index).sent > 0 { send(Frame(kind: .cancel, call: call)) }
        return true
    }

    private func append(_ frame: Frame, _ payload: UnsafeRawBufferPointer) {
        append(frame, count: payload.count)
        outgoing.append(payload)
    }

    private func append(_ frame: Frame, count: Int) {
        outgoing.fixed(
            FrameHeader(
                length: UInt32(count), kind: frame.kind.rawValue, flags: frame.flags.rawValue,
                type: UInt16(truncatingIfNeeded: frame.type), call: frame.call))
    }

    private func flushSoon() {
        guard !willFlush, !isWriting, !hasEnded else { return }
        willFlush = true
        loop.callInNextTurn(file: #fileID, line: #line) { [self] in
            willFlush = false
            if !isWriting { flush() }
        }
    }

    /// Writes what the kernel takes.
    private func flush() {
        do {
            if try !write() { writeInFiber() }
            // Who has got something to do answers soon, and who has got an answer goes on.
            loop.expectAnswer()
        } catch {
            end()
        }
    }

    private func writeInFiber() {
        isWriting = true
        // It ends with the channel at the latest.
        loop.spawn(name: "writer of a worker's socket") { [self] in
            defer { isWriting = false }
            do {
                repeat {
                    try descriptor.refused(.writing)
                    try descriptor.waitUnlessReady(.writing)
                } while try !write()
            } catch {
                end()
            }
        }
    }

    /// - Returns: whether all is written; false when the socket is full.
    private func write() throws -> Bool {
        while true {
            while let next = piece {
                let bytes = next.bytes
                let count = swiftlet_pool_send_both(
                    descriptor.number, outgoing.start + sent, next.place - sent, bytes.baseAddress, bytes.count)
                if count == -Int(EAGAIN) { return false }
                guard count > 0 else { throw WireError.system("send to a worker", CInt(-count)) }
                let before = min(count, next.place - sent)
                sent += before
                piece!.range.removeFirst(count - before)
                if piece!.range.isEmpty { piece = nil }
            }
            while sent < outgoing.count {
                let count = swiftlet_pool_send(descriptor.number, outgoing.start + sent, outgoing.count - sent, -1)
                if count == -Int(EAGAIN) { return false }
                guard count > 0 else { throw WireError.system("send to a worker", CInt(-count)) }
                sent += count
            }
            outgoing.truncate(to: 0)
            sent = 0
            guard !large.isEmpty else { return true }
            if let memory = large[0].memory {
                guard try write(memory) else { return false }
            } else {
                beginPiece()
            }
        }
    }

    /// The next piece of the large payload whose turn it is.
    private func beginPiece() {
        var next = large.removeFirst()
        let bytes = next.payload.bytes
        let end = min(next.sent + Self.pieceSize, bytes.count)
        var frame = next.frame
        if end < bytes.count { frame.flags.insert(.more) }
        append(frame, count: end - next.sent)
        piece = Piece(payload: next.payload, range: next.sent..<end, place: outgoing.count)
        next.sent = end
        if end < bytes.count { large.append(next) }
    }

    private func write(_ memory: SharedMemory) throws -> Bool {
        var frame = large[0].frame
        frame.flags.insert(.shared)
        let shared = SharedPayload(size: UInt64(large[0].payload.bytes.count), number: memory.number)
        withUnsafeBytes(of: shared) { append(frame, $0) }
        let count = swiftlet_pool_send(descriptor.number, outgoing.start, outgoing.count, memory.descriptor)
        if count == -Int(EAGAIN) {
            outgoing.truncate(to: 0)
            return false
        }
        guard count > 0 else { throw WireError.system("send shared memory to a worker", CInt(-count)) }
        // The descriptor went with the first byte.
        sent = count
        large.removeFirst()
        lent[memory.number] = memory
        return true
    }

    // MARK: Receiving

    /// Hands on each frame that comes, until the other side ends. The payload is good during the call.
    func receive(_ take: (Frame, Received) throws -> Void) throws {
        var buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 * 1024, alignment: 16)
        defer { buffer.deallocate() }
        var begin = 0
        var end = 0
        var descriptors: [CInt] = []
        defer { for descriptor in descriptors where descriptor >= 0 { Glibc.close(descriptor) } }
        var partial: [UInt64: ByteWriter] = [:]
        while true {
            var needed = FrameHeader.size
            while end - begin >= FrameHeader.size {
                let header = buffer.loadUnaligned(fromByteOffset: begin, as: FrameHeader.self)
                needed = FrameHeader.size + Int(header.length)
                guard let kind = FrameKind(rawValue: header.kind), header.length <= 2 * Self.pieceSize else {
                    throw WireError("the other side of the socket does not speak the pool's language")
                }
                guard end - begin >= needed else { break }
                let payload = UnsafeRawBufferPointer(
                    rebasing: buffer[begin + FrameHeader.size..<begin + needed])
                begin += needed
                needed = FrameHeader.size
                var frame = Frame(
                    kind: kind, flags: FrameFlags(rawValue: header.flags), type: Int(header.type), call: header.call)
                if frame.flags.contains(.shared) {
                    frame.flags.remove(.shared)
                    guard !descriptors.isEmpty, payload.count == MemoryLayout<SharedPayload>.size else {
                        throw WireError("shared memory is missing")
                    }
                    try take(frame, received(descriptors.removeFirst(), payload.loadUnaligned(as: SharedPayload.self)))
                } else if frame.kind == .returned {
                    lent[frame.call] = nil
                } else if frame.flags.contains(.more) {
                    let before = partial[frame.call] ?? ByteWriter(capacity: 4 * Self.pieceSize)
                    before.append(payload)
                    partial[frame.call] = before
                } else if frame.kind == .cancel || frame.kind == .heard {
                    // It has overtaken what it is about: of a call the rest will not come, of an answer it will.
                    if frame.kind == .cancel { partial[frame.call] = nil }
                    try take(frame, .bytes(payload))
                } else if !partial.isEmpty, let whole = partial.removeValue(forKey: frame.call) {
                    whole.append(payload)
                    try take(frame, .whole(Payload(whole)))
                } else {
                    try take(frame, .bytes(payload))
                }
            }
            if begin == end {
                (begin, end) = (0, 0)
            } else if buffer.count - begin < needed {
                let larger =
                    needed <= buffer.count
                    ? buffer
                    : UnsafeMutableRawBufferPointer.allocate(byteCount: 4 * Self.pieceSize, alignment: 16)
                memmove(larger.baseAddress!, buffer.baseAddress! + begin, end - begin)
                if needed > buffer.count {
                    buffer.deallocate()
                    buffer = larger
                }
                (begin, end) = (0, end - begin)
            }
            let room = UnsafeMutableRawBufferPointer(rebasing: buffer[end...])
            let count = try read(into: room, &descriptors)
            if count == 0 { return }
            end += count
        }
    }

    private func received(_ descriptor: CInt, _ shared: SharedPayload) -> Received {
        let giveBack = { @Sendable [weak self] () -> Void in
            guard let self else { return }
            let frame = Frame(kind: .returned, call: shared.number)
            if loop.isCurrent { return send(frame) }
            // A loop that is closed has nobody to tell.
            loop.perform { [weak self] in self?.send(frame) }
        }
        guard descriptor >= 0 else {
            giveBack()
            return .lost
        }
        return .lent(LentMemory(descriptor, size: Int(truncatingIfNeeded: shared.size), giveBack: giveBack))
    }

    private func read(into room: UnsafeMutableRawBufferPointer, _ descriptors: inout [CInt]) throws -> Int {
        while true {
            try descriptor.waitUnlessReady(.reading)
            var passed: CInt = -1
            let count = swiftlet_pool_receive(descriptor.number, room.baseAddress, room.count, &passed)
            if passed != -1 { descriptors.append(passed) }
            if count >= 0 {
                // With a descriptor the kernel ends a read early; else a short one has emptied the socket.
                if count > 0, count < room.count, passed == -1 { try descriptor.drained(.reading) }
                return count
            }
            if count == -Int(ECONNRESET) { return 0 }
            guard count == -Int(EAGAIN) else { throw WireError.system("receive from a worker", CInt(-count)) }
            try descriptor.refused(.reading)
        }
    }

    // MARK: Ending

    /// Nothing more is sent; the reader takes what has come and then finds the end.
    func shutDown() { _ = swiftlet_pool_shut_down(descriptor.number) }

    private func end() {
        hasEnded = true
        shutDown()
    }

    func close() {
        hasEnded = true
        descriptor.close()
        lent = [:]
    }
}

/// The payload of a frame that came.
enum Received {
    /// Good during the call.
    case bytes(UnsafeRawBufferPointer)
    case whole(Payload)
    case lent(LentMemory)
    /// This process had no descriptor left for the shared memory.
    case lost

    /// The payload, to be kept.
    func keep() throws(WireError) -> Payload {
        switch self {
        case .bytes(let bytes): return Payload(copying: bytes)
        case .whole(let payload): return payload
        case .lent(let memory): return try Payload(memory)
        case .lost:
            throw WireError("no descriptor is left for the shared memory of a payload; raise the limit (ulimit -n)")
        }
    }

    /// The payload, during the call.
    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) throws -> Result {
        if case .bytes(let bytes) = self { return try body(bytes) }
        let payload = try keep()
        return try withExtendedLifetime(payload) { try body(payload.bytes) }
    }
}
