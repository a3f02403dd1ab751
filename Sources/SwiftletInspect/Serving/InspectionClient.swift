import Glibc

/// The command's side of an inspector's socket. Its calls block their thread.
package final class InspectionClient {
    private var number: CInt
    private var unread: [UInt8] = []
    private var place = 0

    /// - Parameter number: a connected socket, which it owns.
    package init(owning number: CInt) { self.number = number }

    deinit { close() }

    /// Ends the connection, and with it a recording.
    package func close() {
        if number >= 0 { _ = Glibc.close(number) }
        number = -1
    }

    /// Why the inspector did not answer.
    package enum Failure: Error {
        case refused(String)
        /// The process has ended, or does not answer.
        case gone
    }

    package func ask(_ request: String) throws(Failure) {
        let bytes = Array("\(request)\n".utf8)
        guard send(number, bytes, bytes.count, CInt(MSG_NOSIGNAL)) == bytes.count else { throw .gone }
    }

    package func look(stacks: Bool, profile: Int = 0, times: Bool = false) throws(Failure) -> Snapshot {
        try ask("look \(stacks ? 1 : 0) \(profile) \(times ? 1 : 0)")
        return try readSnapshot()
    }

    /// The socket, to be waited for.
    package var descriptor: CInt { number }

    /// The answer to `look`.
    package func readSnapshot() throws(Failure) -> Snapshot {
        var snapshot = Snapshot()
        while true {
            let line = try nextLine()
            if line.starts(with: "refused\t".utf8) {
                var reader = WireReader(line)
                _ = reader.field()
                throw .refused(reader.text())
            }
            if !snapshot.take(line) { return snapshot }
        }
    }

    /// The next line of an answer, without its end.
    package func nextLine() throws(Failure) -> ArraySlice<UInt8> {
        var searched = place
        while true {
            if let end = unread[searched...].firstIndex(of: UInt8(ascii: "\n")) {
                defer { place = end + 1 }
                return unread[place..<end]
            }
            let room = try readOn()
            searched = room
        }
    }

    /// So many bytes of an answer that has no lines.
    package func nextBytes(_ count: Int) throws(Failure) -> [UInt8] {
        while unread.count - place < count { _ = try readOn() }
        defer { place += count }
        return Array(unread[place..<(place + count)])
    }

    /// Something can be read now, or within so many milliseconds. The end counts too.
    package func waitForBytes(milliseconds: CInt) -> Bool {
        if place < unread.count { return true }
        var wanted = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        return poll(&wanted, 1, milliseconds) > 0
    }

    /// Reads what has come, behind what has not been used. Answers where that begins.
    private func readOn() throws(Failure) -> Int {
        unread.removeSubrange(..<place)
        place = 0
        let room = 1 << 18
        let old = unread.count
        unread.append(contentsOf: repeatElement(0, count: room))
        let count = unread.withUnsafeMutableBytes { buffer -> Int in
            while true {
                let count = recv(number, buffer.baseAddress! + old, room, 0)
                if count < 0, errno == EINTR { continue }
                return count
            }
        }
        unread.removeSubrange((old + max(count, 0))...)
        if count <= 0 { throw .gone }
        return old
    }
}
