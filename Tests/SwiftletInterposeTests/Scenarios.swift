import CInterposeTestSupport
import Glibc
import TestSupport
import Testing

/// A piece of blocking C code, told by what its calls answer. `waits`: at least one of them has to.
struct Scenario: Sendable, CustomTestStringConvertible {
    let name: String
    let waits: Bool
    let body: @Sendable () -> [String]

    init(_ name: String, waits: Bool = true, _ body: @escaping @Sendable () -> [String]) {
        self.name = name
        self.waits = waits
        self.body = body
    }

    var testDescription: String { name }

    static let all: [Scenario] = streams + sockets + connecting + polling + sleeping + others + otherNames
}

private func bytes(_ buffer: [UInt8], _ count: Int) -> String {
    String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self)
}

extension Scenario {
    // MARK: read, write

    static let streams: [Scenario] = [
        Scenario("read of a pipe that is fed later") {
            let (reading, writing) = makePipe()
            let later = Later { write(writing, "hello", 5) }
            var buffer = [UInt8](repeating: 0, count: 16)
            errno = 0
            let count = read(reading, &buffer, 16)
            later.end()
            close(writing)
            let end = read(reading, &buffer, 16)
            close(reading)
            return [outcome(count), bytes(buffer, count), outcome(end), outcome(read(reading, &buffer, 16))]
        },
        Scenario("read of a socket, a byte, nothing and the end") {
            let (here, there) = makePair()
            let later = Later { send(there, "abc", 3, 0) }
            var buffer = [UInt8](repeating: 0, count: 16)
            let first = read(here, &buffer, 1)
            let none = read(here, &buffer, 0)
            let second = read(here, &buffer, 16)
            later.end()
            close(there)
            let end = read(here, &buffer, 16)
            let broken = send(here, "x", 1, CInt(MSG_NOSIGNAL))
            let result = [first, none, second, end].map { outcome($0) } + [outcome(broken)]
            close(here)
            return result
        },
        Scenario("readv and writev") {
            let (reading, writing) = makePipe()
            let later = Later {
                var a: [UInt8] = [1, 2]
                var b: [UInt8] = [3, 4, 5]
                a.withUnsafeMutableBytes { a in
                    b.withUnsafeMutableBytes { b in
                        var parts = [
                            iovec(iov_base: a.baseAddress, iov_len: 2), iovec(iov_base: b.baseAddress, iov_len: 3),
                        ]
                        _ = writev(writing, &parts, 2)
                    }
                }
            }
            var a: [UInt8] = [0, 0, 0]
            var b: [UInt8] = [0, 0, 0]
            let count = a.withUnsafeMutableBytes { a in
                b.withUnsafeMutableBytes { b in
                    var parts = [
                        iovec(iov_base: a.baseAddress, iov_len: 3), iovec(iov_base: b.baseAddress, iov_len: 3),
                    ]
                    return readv(reading, &parts, 2)
                }
            }
            later.end()
            let wrong = readv(reading, nil, -1)
            let result = [outcome(count), "\(a)\(b)", outcome(wrong)]
            closeAll(reading, writing)
            return result
        },
        Scenario("write of more than a pipe has room for") {
            let (reading, writing) = makePipe()
            let size = 300_000
            let total = Tally()
            let later = Later {
                var buffer = [UInt8](repeating: 0, count: 7000)
                while case let count = read(reading, &buffer, buffer.count), count > 0 { total.add(count) }
            }
            let content = [UInt8](repeating: 7, count: size)
            let count = write(writing, content, size)
            close(writing)
            later.end()
            close(reading)
            return [outcome(count), "\(total.count)"]
        },
        Scenario("write and writev of more than a socket has room for") {
            let (here, there) = makePair()
            let total = Tally()
            let later = Later {
                var buffer = [UInt8](repeating: 0, count: 7000)
                while case let count = recv(there, &buffer, buffer.count, 0), count > 0 { total.add(count) }
            }
            var content = [UInt8](repeating: 7, count: 1_000_000)
            let first = write(here, content, content.count)
            let second = content.withUnsafeMutableBytes { content in
                var parts = (0..<4).map { iovec(iov_base: content.baseAddress! + $0 * 250_000, iov_len: 250_000) }
                return writev(here, &parts, 4)
            }
            close(here)
            later.end()
            close(there)
            return [outcome(first), outcome(second), "\(total.count)"]
        },
        Scenario("an event descriptor") {
            let event = call_eventfd()
            let later = Later {
                var one: UInt64 = 3
                write(event, &one, 8)
            }
            var number: UInt64 = 0
            let count = read(event, &number, 8)
            later.end()
            var full = UInt64.max - 1
            let filled = write(event, &full, 8)
            let drain = Later {
                var all: UInt64 = 0
                _ = read(event, &all, 8)
            }
            var more: UInt64 = 5
            let waited = write(event, &more, 8)
            drain.end()
            let wrong = write(event, &more, 4)
            let result = [outcome(count), "\(number)", outcome(filled), outcome(waited), outcome(wrong)]
            close(event)
            return result
        },
        Scenario("a terminal") {
            var main: CInt = 0
            var side: CInt = 0
            guard openpty(&main, &side, nil, nil, nil) == 0 else { return ["no terminal"] }
            let later = Later { [main] in _ = write(main, "line\n", 5) }
            var buffer = [UInt8](repeating: 0, count: 16)
            let count = read(side, &buffer, 16)
            later.end()
            let result = [outcome(count), bytes(buffer, count)]
            closeAll(main, side)
            return result
        },
        Scenario("non-blocking by the user's wish", waits: false) {
            let (reading, writing) = makePipe()
            let (here, there) = makePair()
            var buffer = [UInt8](repeating: 0, count: 100_000)
            _ = call_set_flags(reading, CInt(O_NONBLOCK))
            _ = call_set_flags(writing, CInt(O_NONBLOCK))
            _ = call_set_flags(here, CInt(O_NONBLOCK))
            var result = [outcome(read(reading, &buffer, 8)), outcome(recv(here, &buffer, 8, 0))]
            result.append(outcome(read(here, &buffer, 8)))
            result.append(outcome(write(writing, buffer, 100_000)))
            result.append(outcome(write(writing, buffer, 1)))
            result.append(outcome(recv(there, &buffer, 8, CInt(MSG_DONTWAIT))))
            result.append("\(call_flags(here) & CInt(O_NONBLOCK)) \(call_flags(there) & CInt(O_NONBLOCK))")
            closeAll(reading, writing, here, there)
            return result
        },
        Scenario("files", waits: false) {
            let file = makeFile(10_000)
            var buffer = [UInt8](repeating: 0, count: 8000)
            var result = [outcome(read(file, &buffer, 8000)), outcome(read(file, &buffer, 8000)), "\(buffer[0])"]
            result.append(outcome(read(file, &buffer, 8000)))
            result.append(outcome(pread(file, &buffer, 5, 100)))
            result.append("\(buffer[0])")
            result.append(outcome(pread(file, &buffer, 5, -1)))
            result.append(outcome(pread(file, &buffer, 5, 20_000)))
            result.append(outcome(pwrite(file, [1, 2, 3], 3, 9_999)))
            result.append(outcome(lseek(file, 0, SEEK_CUR)))
            result.append(outcome(call_pread_chk(file, &buffer, 4, 0, 8000)))
            close(file)
            result.append(outcome(fsync(file)))
            return result
        },
        Scenario("fsync") {
            let file = makeFile(100)
            defer { close(file) }
            return [outcome(fsync(file)), outcome(fdatasync(file))]
        },
        Scenario("the fortified names and the aliases") {
            let (reading, writing) = makePipe()
            let (here, there) = makePair()
            let later = Later {
                call_alias_write(writing, "ab", 2)
                usleep(40_000)
                send(there, "c", 1, 0)
                usleep(40_000)
                send(there, "d", 1, 0)
                usleep(40_000)
                send(there, "e", 1, 0)
            }
            var buffer = [UInt8](repeating: 0, count: 16)
            var result = [outcome(call_read_chk(reading, &buffer, 1, 16))]
            result.append(outcome(call_alias_read(reading, &buffer, 16)))
            result.append(outcome(call_recv_chk(here, &buffer, 16, 16, 0)))
            var wanted = pollfd(fd: here, events: Int16(POLLIN), revents: 0)
            result.append(outcome(call_poll_chk(&wanted, 1, 2000, MemoryLayout<pollfd>.size)))
            result.append(outcome(call_recvfrom_chk(here, &buffer, 16, 16, 0)))
            var limit = milliseconds(2000)
            result.append(outcome(call_ppoll_chk(&wanted, 1, &limit, MemoryLayout<pollfd>.size)))
            var short = milliseconds(2)
            var left = timespec()
            result.append(outcome(call_alias_nanosleep(&short, &left)))
            result.append(outcome(call_alias_select_none(2)))
            later.end()
            result.append(outcome(call_alias_close(reading)))
            result.append(outcome(call_alias_close(reading)))
            closeAll(writing, here, there)
            return result
        },
        Scenario("sendfile to a socket that is slow") {
            let file = makeFile(600_000)
            let (here, there) = makePair()
            let total = Tally()
            let later = Later {
                var buffer = [UInt8](repeating: 0, count: 9000)
                while case let count = recv(there, &buffer, buffer.count, 0), count > 0 { total.add(count) }
            }
            var offset: off_t = 1000
            let count = sendfile(here, file, &offset, 700_000)
            let second = sendfile(here, file, nil, 10)
            let place = lseek(file, 0, SEEK_CUR)
            close(here)
            later.end()
            let wrong = sendfile(-1, file, nil, 10)
            let result = [outcome(count), "\(offset)", outcome(second), "\(place)", "\(total.count)", outcome(wrong)]
            closeAll(there, file)
            return result
        },
        Scenario("splice") {
            let (reading, writing) = makePipe()
            let (here, there) = makePair()
            let later = Later { write(writing, "spliced", 7) }
            let count = call_splice(reading, here, 100)
            later.end()
            var buffer = [UInt8](repeating: 0, count: 16)
            let got = recv(there, &buffer, 16, 0)
            close(writing)
            let end = call_splice(reading, here, 100)
            let result = [outcome(count), bytes(buffer, got), outcome(end)]
            closeAll(reading, here, there)
            return result
        },
    ]
}
