import CSwiftlet
import Glibc
import SwiftletCoroutines
import SwiftletLoop

/// One client. It sends lines, each a request; the answers are lines too, the last of them `end` or `refused`.
///
/// `look STACKS PROFILE TIMES`: a snapshot; STACKS 1 with backtraces and descriptors, PROFILE milliseconds of looks at what
/// runs before, TIMES 1 to have running times counted until the client has gone. `trace`: events until the client has gone.
final class InspectionConnection: Sendable {
    struct Gone: Error {}

    private let number: CInt

    init(_ number: CInt) {
        self.number = number
        // Who does not read must not keep the thread for ever.
        var limit = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(number, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(number) }

    /// The kernel says who connected: the same user, or root.
    var isFromOwner: Bool {
        var (process, user, group): (CInt, UInt32, UInt32) = (0, 0, 0)
        guard swiftlet_socket_peer_credentials(number, &process, &user, &group) == 0 else { return false }
        return user == geteuid() || user == 0
    }

    func refuse(_ reason: String) {
        var writer = WireWriter()
        writer.begin("refused")
        writer.add(reason)
        writer.end()
        try? send(&writer)  // who has gone needs no reason
    }

    func serve(_ sampler: Sampler) {
        var unread: [UInt8] = []
        var countsTime = false
        defer { if countsTime { LoopTraces.endCounting() } }
        while let line = readLine(&unread) {
            let words = String(decoding: line, as: UTF8.self).split(separator: " ")
            do {
                switch words.first {
                case "look":
                    if words.count > 3, words[3] == "1", !countsTime {
                        countsTime = true
                        LoopTraces.beginCounting()
                    }
                    let profile = words.count > 2 ? min(Int(words[2]) ?? 0, 10_000) : 0
                    let snapshot = SnapshotMaker.make(
                        stacks: words.dropFirst().first == "1", profile: profile, sampler: sampler)
                    var writer = WireWriter()
                    try snapshot.encode(&writer) { try send(&$0) }
                case "trace": try TraceSender(number).run { try send(&$0) }
                default: refuse("this process does not know the request '\(words.first ?? "")': its library is older")
                }
            } catch {
                return  // the client has gone
            }
        }
    }

    private func readLine(_ unread: inout [UInt8]) -> [UInt8]? {
        var piece = [UInt8](repeating: 0, count: 256)
        while true {
            if let end = unread.firstIndex(of: UInt8(ascii: "\n")) {
                defer { unread.removeSubrange(...end) }
                return Array(unread[..<end])
            }
            guard unread.count < 4096 else { return nil }
            let count = recv(number, &piece, piece.count, 0)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            unread += piece[..<count]
        }
    }

    /// Sends all that was written, and empties the writer.
    private func send(_ writer: inout WireWriter) throws {
        try writer.bytes.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let count = Glibc.send(number, bytes.baseAddress! + done, bytes.count - done, CInt(MSG_NOSIGNAL))
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw Gone() }
                done += count
            }
        }
        writer.clear()
    }
}
