import CSwiftlet
import Glibc
import SwiftletCoroutines
import SwiftletLoop

/// Lets all loops note their events, and sends these to a client until it has gone. One at a time.
final class TraceSender {
    private static let ringSize = 1 << 16
    private static let isBusy = Locked(false)

    private struct Traced {
        let loop: EventLoop
        let trace: UnsafeMutablePointer<swiftlet_trace>
        var lost: UInt64 = 0
    }

    private let number: CInt
    private var traced: [Traced] = []
    private var toldTexts: Set<UInt64> = []
    private var names = DescriptorNames()
    private var bytes: [UInt8] = []
    private var events = [swiftlet_trace_event](repeating: swiftlet_trace_event(), count: ringSize)

    init(_ number: CInt) { self.number = number }

    func run(_ answer: (inout WireWriter) throws -> Void) throws {
        let isFree = Self.isBusy.withLock { isBusy in
            defer { isBusy = true }
            return !isBusy
        }
        var writer = WireWriter()
        guard isFree else {
            writer.begin("refused")
            writer.add("somebody records this process already")
            writer.end()
            return try answer(&writer)
        }
        defer {
            for one in traced { LoopTraces.record(one.loop, false) }
            Self.isBusy.withLock { $0 = false }
        }
        writer.begin("recording")
        writer.end()
        // From here on everything is noted: what the client sees in a look after the answer, it gets the end of.
        takeUpLoops()
        try answer(&writer)
        while true {
            takeUpLoops()
            var client = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
            // The client says nothing while it records: what comes is its end.
            if poll(&client, 1, 20) > 0 { return }
            for place in traced.indices { takeEvents(place) }
            try sendBytes()
        }
    }

    private func takeUpLoops() {
        for loop in EventLoop.all where !traced.contains(where: { $0.loop === loop }) {
            guard let trace = LoopTraces.ring(of: loop) else { continue }
            // What an earlier recording has left.
            _ = swiftlet_trace_take(trace, &events, events.count)
            let place = traced.count
            traced.append(Traced(loop: loop, trace: trace, lost: trace.pointee.lost))
            let thread = loop.kernelThreadNumber
            var name = [CChar](repeating: 0, count: 32)
            swiftlet_thread_name_of(CInt(thread), &name, name.count)
            add(
                .loop, place, UInt64(thread),
                String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
            LoopTraces.record(loop, true)
        }
    }

    private func takeEvents(_ place: Int) {
        let trace = traced[place].trace
        let count = swiftlet_trace_take(trace, &events, events.count)
        var begin = 0
        for (index, event) in events.prefix(count).enumerated() {
            switch CInt(bitPattern: event.kind) {
            case CInt(SWIFTLET_TRACE_SPAWN): tellText(event.object)
            case CInt(SWIFTLET_TRACE_PARK) where Self.descriptorWaits.contains(event.detail):
                guard let text = names.news(of: event.object, at: event.time) else { break }
                // What came before may be about another descriptor of this number.
                addEvents(begin..<index, place)
                begin = index
                add(.descriptor, 0, event.object, text)
            default: break
            }
        }
        addEvents(begin..<count, place)
        let lost = trace.pointee.lost
        if lost != traced[place].lost {
            add(.lost, place, lost - traced[place].lost, "")
            traced[place].lost = lost
        }
    }

    private static let descriptorWaits = [
        UInt32(bitPattern: WaitKind.readable.rawValue), UInt32(bitPattern: WaitKind.writable.rawValue),
    ]

    private func addEvents(_ range: Range<Int>, _ place: Int) {
        guard !range.isEmpty else { return }
        let stride = MemoryLayout<swiftlet_trace_event>.stride
        bytes += TraceFrame(.events, loop: place, size: range.count * stride).header
        events.withUnsafeBytes { bytes += $0[(range.lowerBound * stride)..<(range.upperBound * stride)] }
    }

    private func tellText(_ address: UInt64) {
        guard toldTexts.insert(address).inserted, let text = Inspection.text(at: UInt(address)) else { return }
        add(.text, 0, address, text)
    }

    private func add(_ kind: TraceFrame.Kind, _ loop: Int, _ number: UInt64, _ text: String) {
        bytes += TraceFrame(kind, loop: loop, size: 8 + text.utf8.count).header
        withUnsafeBytes(of: number) { bytes += $0 }
        bytes += text.utf8
    }

    private func sendBytes() throws {
        try bytes.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let count = send(number, bytes.baseAddress! + done, bytes.count - done, CInt(MSG_NOSIGNAL))
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw InspectionConnection.Gone() }
                done += count
            }
        }
        bytes.removeAll(keepingCapacity: true)
    }
}
