import CInterposeTestSupport
import Glibc
import TestSupport
import Testing

private let dontWait = CInt(MSG_DONTWAIT)
private let waitAll = CInt(MSG_WAITALL)
private let peek = CInt(MSG_PEEK)
private let quietly = CInt(MSG_NOSIGNAL)

extension Scenario {
    static let sockets: [Scenario] = [
        Scenario("recv, MSG_PEEK, MSG_WAITALL") {
            let (here, there) = makePair()
            let later = Later {
                send(there, "abc", 3, 0)
                usleep(50_000)
                send(there, "defgh", 5, 0)
                usleep(50_000)
                send(there, "ijk", 3, 0)
                close(there)
            }
            var buffer = [UInt8](repeating: 0, count: 16)
            var result = [outcome(recv(here, &buffer, 16, peek))]
            let all = recv(here, &buffer, 6, waitAll)
            result += [outcome(all), String(decoding: buffer.prefix(6), as: UTF8.self)]
            result.append(outcome(recv(here, &buffer, 5, waitAll | peek)))
            result.append(outcome(recv(here, &buffer, 16, waitAll)))
            result.append(outcome(recv(here, &buffer, 16, waitAll)))
            later.end()
            close(here)
            return result
        },
        Scenario("datagrams: recvfrom, sendto, MSG_TRUNC, MSG_WAITALL") {
            let (here, there) = makePair(SOCK_DGRAM)
            let later = Later {
                send(there, "first", 5, 0)
                send(there, "second", 6, 0)
                send(there, "", 0, 0)
                send(there, "fourth", 6, 0)
            }
            var buffer = [UInt8](repeating: 0, count: 16)
            var length = socklen_t(0)
            var result = [outcome(recvfrom(here, &buffer, 2, CInt(MSG_TRUNC), nil, nil))]
            result.append(outcome(recvfrom(here, &buffer, 16, waitAll, nil, &length)))
            result.append(outcome(recv(here, &buffer, 16, 0)))
            result.append(outcome(read(here, &buffer, 0)))
            result.append(outcome(recv(here, &buffer, 16, 0)))
            result.append(outcome(sendto(here, "x", 1, 0, nil, 0)))
            later.end()
            close(there)
            result.append(outcome(send(here, "x", 1, quietly)))
            close(here)
            return result
        },
        Scenario("recvmsg and sendmsg, with pieces and MSG_WAITALL") {
            let (here, there) = makePair()
            let later = Later {
                send(there, "abcd", 4, 0)
                usleep(10_000)
                send(there, "efgh", 4, 0)
            }
            var a = [UInt8](repeating: 0, count: 3)
            var b = [UInt8](repeating: 0, count: 5)
            let result = a.withUnsafeMutableBytes { a in
                b.withUnsafeMutableBytes { b in
                    var parts = [
                        iovec(iov_base: a.baseAddress, iov_len: 3), iovec(iov_base: b.baseAddress, iov_len: 5),
                    ]
                    return parts.withUnsafeMutableBufferPointer { parts in
                        var message = msghdr()
                        message.msg_iov = parts.baseAddress
                        message.msg_iovlen = 2
                        let got = recvmsg(here, &message, waitAll)
                        let sent = sendmsg(here, &message, 0)
                        return [outcome(got), outcome(sent)]
                    }
                }
            }
            later.end()
            var buffer = [UInt8](repeating: 0, count: 16)
            let back = recv(there, &buffer, 16, 0)
            closeAll(here, there)
            return result + ["\(a) \(b)", outcome(back)]
        },
        Scenario("a large sendmsg to a slow reader") {
            let (here, there) = makePair()
            let total = Tally()
            let later = Later {
                var buffer = [UInt8](repeating: 0, count: 9000)
                while case let count = recv(there, &buffer, buffer.count, 0), count > 0 { total.add(count) }
            }
            var content = [UInt8](repeating: 3, count: 900_000)
            let count = content.withUnsafeMutableBytes { content in
                var parts = (0..<3).map { iovec(iov_base: content.baseAddress! + $0 * 300_000, iov_len: 300_000) }
                return parts.withUnsafeMutableBufferPointer { parts in
                    var message = msghdr()
                    message.msg_iov = parts.baseAddress
                    message.msg_iovlen = 3
                    return sendmsg(here, &message, 0)
                }
            }
            let plain = send(here, content, content.count, 0)
            close(here)
            later.end()
            close(there)
            return [outcome(count), outcome(plain), "\(total.count)"]
        },
        Scenario("recvmmsg and sendmmsg") {
            let (here, there) = makePair(SOCK_DGRAM)
            let later = Later {
                send(there, "a", 1, 0)
                usleep(8000)
                send(there, "bb", 2, 0)
                usleep(8000)
                send(there, "ccc", 3, 0)
                usleep(8000)
                send(there, "dddd", 4, 0)
            }
            var total: UInt32 = 0
            var result = [outcome(call_recvmmsg(here, 2, 0, -1, &total)), "\(total)"]
            result += [outcome(call_recvmmsg(here, 8, CInt(MSG_WAITFORONE), -1, &total)), "\(total)"]
            result += [outcome(call_recvmmsg(here, 1, 0, 2000, &total)), "\(total)"]
            later.end()
            result.append(outcome(call_recvmmsg(here, 2, dontWait, -1, &total)))
            result.append(outcome(call_sendmmsg(here, 3, 100)))
            close(there)
            result.append(outcome(call_sendmmsg(here, 3, 100)))
            close(here)
            return result
        },
        Scenario("SO_RCVTIMEO and SO_SNDTIMEO end a call as the kernel does") {
            let (here, there) = makePair()
            var buffer = [UInt8](repeating: 0, count: 1_000_000)
            _ = call_set_limit(here, SO_RCVTIMEO, 20)
            _ = call_set_limit(here, SO_SNDTIMEO, 20)
            var result = [outcome(recv(here, &buffer, 8, 0)), outcome(read(here, &buffer, 8))]
            let sent = send(here, buffer, buffer.count, 0)  // what there was room for
            result.append("\(sent > 0 && sent < buffer.count)")
            result.append(outcome(send(here, buffer, 8, 0)))
            result.append(outcome(write(here, buffer, 8)))
            result.append("\(call_flags(here) & CInt(O_NONBLOCK))")
            closeAll(here, there)
            return result
        },
        Scenario("SO_RCVLOWAT") {
            let (listener, address) = makeListener()
            let client = makeClient()
            _ = connectTo(address, from: client)
            let server = accept(listener, nil, nil)
            var mark: CInt = 6
            setsockopt(client, SOL_SOCKET, SO_RCVLOWAT, &mark, 4)
            let later = Later {
                send(server, "abc", 3, 0)
                usleep(10_000)
                send(server, "defgh", 5, 0)
            }
            var buffer = [UInt8](repeating: 0, count: 16)
            let count = recv(client, &buffer, 16, 0)
            later.end()
            closeAll(listener, client, server)
            return [outcome(count)]
        },
        Scenario("wrong descriptors and arguments", waits: false) {
            let (reading, writing) = makePipe()
            var buffer = [UInt8](repeating: 0, count: 16)
            var number: CInt = 0
            var poller = pollfd(fd: 9999, events: Int16(POLLIN), revents: 0)
            var result = [outcome(recv(-1, &buffer, 1, 0)), outcome(recv(reading, &buffer, 1, 0))]
            result += [
                outcome(send(writing, "x", 1, 0)), outcome(read(9999, &buffer, 1)), outcome(write(9999, "x", 1)),
            ]
            result += [outcome(write(reading, "x", 1)), outcome(read(writing, &buffer, 1))]
            result += [outcome(poll(&poller, 1, 1000)), "\(poller.revents)", outcome(accept(reading, nil, nil))]
            result += [
                outcome(call_epoll_wait(0, reading, 1, 100, &number)), outcome(close(9999)), outcome(dup2(9999, 9998)),
            ]
            result += [outcome(connect(reading, nil, 0)), outcome(connect(-1, nil, 0)), outcome(flock(9999, LOCK_EX))]
            closeAll(reading, writing)
            return result
        },
    ]

    // MARK: connect, accept

    static let connecting: [Scenario] = [
        Scenario("accept waits for a client, which stays blocking") {
            let (listener, address) = makeListener()
            let client = makeClient()
            let later = Later {
                _ = connectTo(address, from: client)
                send(client, "hi", 2, 0)
            }
            var from = sockaddr_in()
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            let server = withSocketAddress(&from) { accept(listener, $0, &size) }
            var buffer = [UInt8](repeating: 0, count: 8)
            let count = recv(server, &buffer, 8, 0)
            later.end()
            let flags = [listener, client, server].map { "\(call_flags($0) & CInt(O_NONBLOCK))" }
            closeAll(listener, client, server)
            return ["\(server >= 0)", outcome(count), "\(from.sin_family) \(size)"] + flags
        },
        Scenario("accept4 with flags, and SO_RCVTIMEO on the listener") {
            let (listener, address) = makeListener()
            _ = call_set_limit(listener, SO_RCVTIMEO, 20)
            var result = [outcome(accept(listener, nil, nil))]
            let client = makeClient()
            _ = call_set_limit(listener, SO_RCVTIMEO, 60_000)  // another one, which is in time on any machine
            let later = Later(5) { _ = connectTo(address, from: client) }
            let server = call_accept4(listener, CInt(SOCK_NONBLOCK.rawValue))
            later.end()
            result.append("\(call_flags(server) & CInt(O_NONBLOCK) != 0)")
            _ = call_set_flags(listener, CInt(O_NONBLOCK))
            result.append(outcome(accept(listener, nil, nil)))
            closeAll(listener, client, server)
            return result
        },
        Scenario("connect: made, refused, again, without blocking") {
            let (listener, address) = makeListener()
            let client = makeClient()
            let refused = makeClient()
            var result = [outcome(connectTo(address, from: client)), outcome(connectTo(address, from: client))]
            result.append("\(call_flags(client) & CInt(O_NONBLOCK))")
            let (closed, nowhere) = makeListener()
            close(closed)
            result.append(outcome(connectTo(nowhere, from: refused)))
            result.append("\(call_flags(refused) & CInt(O_NONBLOCK))")
            let later = Later { closeAll() }
            later.end()
            closeAll(listener, client, refused)
            return result
        },
        Scenario("connect to a Unix socket whose line is full") {
            var template = Array("/tmp/swiftlet-socket-XXXXXX".utf8CString)
            _ = mkdtemp(&template)
            let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: (folder + "/s").utf8) }
            func call(_ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
                withUnsafePointer(to: &address) { pointer in
                    pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
                    }
                }
            }
            let listener = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
            _ = call { bind(listener, $0, $1) }
            listen(listener, 0)
            let clients = (0..<3).map { _ in socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0) }
            let later = Later {
                for _ in 0..<3 {
                    usleep(5000)
                    close(accept(listener, nil, nil))
                }
            }
            let result = clients.map { client in outcome(call { connect(client, $0, $1) }) }
            later.end()
            for client in clients { close(client) }
            close(listener)
            unlink(folder + "/s")
            rmdir(folder)
            return result
        },
    ]
}
