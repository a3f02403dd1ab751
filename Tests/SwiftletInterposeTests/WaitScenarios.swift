import CInterposeTestSupport
import Glibc
import TestSupport
import Testing

private func clock() -> Int {
    var now = timespec()
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}

/// Whether a call took at least so long.
private func took<Number: BinaryInteger>(_ milliseconds: Int, _ body: () -> Number) -> [String] {
    let before = clock()
    let result = outcome(body())
    return [result, "\(clock() - before >= milliseconds)"]
}

extension Scenario {
    // MARK: poll, select, epoll

    static let polling: [Scenario] = [
        Scenario("poll: one, several, both sides, time limits") {
            let (reading, writing) = makePipe()
            let (here, there) = makePair()
            var one = [pollfd(fd: reading, events: Int16(POLLIN), revents: -1)]
            var result = took(10) { poll(&one, 1, 10) } + ["\(one[0].revents)"]
            let later = Later {
                write(writing, "x", 1)
                usleep(10_000)
                send(there, "y", 1, 0)
                usleep(10_000)
                close(there)
            }
            result += [outcome(poll(&one, 1, -1)), "\(one[0].revents)"]
            var many = [
                pollfd(fd: -1, events: Int16(POLLIN), revents: -1),
                pollfd(fd: here, events: Int16(POLLIN | POLLPRI), revents: -1),
                pollfd(fd: writing, events: 0, revents: -1),
                pollfd(fd: here, events: Int16(POLLIN), revents: -1),
            ]
            result += [outcome(poll(&many, 4, 2000)), "\(many.map(\.revents))"]
            var buffer: [UInt8] = [0]
            _ = recv(here, &buffer, 1, 0)
            many[1].events = 0x2000  // POLLRDHUP
            result += [outcome(poll(&many, 2, 2000)), "\(many[1].revents)"]
            later.end()
            var both = pollfd(fd: here, events: Int16(POLLIN | POLLOUT), revents: 0)
            result += [outcome(poll(&both, 1, 2000)), "\(both.revents)"]
            result += took(5) { poll(nil, 0, 5) } + [outcome(poll(nil, 0, 0))]
            closeAll(reading, writing, here)
            return result
        },
        Scenario("poll as drivers do: ask, poll, receive, again and again") {
            let (here, there) = makePair()
            let rounds = 50
            let later = Later(1) {
                var byte: UInt8 = 0
                for _ in 0..<rounds where recv(there, &byte, 1, 0) == 1 { send(there, &byte, 1, 0) }
                recv(there, &byte, 1, 0)
                close(there)
            }
            var told: [String] = []
            var byte: UInt8 = 7
            var wanted = pollfd(fd: here, events: Int16(POLLIN | POLLERR), revents: 0)
            for round in 0..<rounds {
                send(here, &byte, 1, 0)
                told.append("\(poll(&wanted, 1, round % 2 == 0 ? -1 : 5000)) \(wanted.revents)")
                // What is there is found, also after many looks in vain.
                if round % 7 == 0 { told.append("\(poll(&wanted, 1, 5000)) \(wanted.revents)") }
                told.append(outcome(recv(here, &byte, 1, 0)))
            }
            told += took(5) { poll(&wanted, 1, 5) } + ["\(wanted.revents)"]
            send(here, &byte, 1, 0)
            told.append("\(poll(&wanted, 1, 5000)) \(wanted.revents)")
            later.end()
            close(here)
            told.append("\(poll(&wanted, 1, 5000)) \(wanted.revents)")
            return told
        },
        Scenario("ppoll and time limits that are wrong") {
            let (reading, writing) = makePipe()
            var one = [pollfd(fd: reading, events: Int16(POLLIN), revents: 0)]
            var wrong = timespec(tv_sec: 0, tv_nsec: 2_000_000_000)
            var none = timespec()
            var short = milliseconds(10)
            var result = [outcome(call_ppoll(&one, 1, &wrong, nil)), outcome(call_ppoll(&one, 1, &none, nil))]
            result += took(10) { call_ppoll(&one, 1, &short, nil) }
            let later = Later { close(writing) }
            result += [outcome(call_ppoll(&one, 1, nil, nil)), "\(one[0].revents)"]
            later.end()
            close(reading)
            return result
        },
        Scenario("select and pselect: sets, what is left, wrong descriptors") {
            let (reading, writing) = makePipe()
            var ready: UInt32 = 0
            var left = 0
            var result = took(10) { call_select(reading, -1, 10, &ready, &left) } + ["\(ready) \(left)"]
            let later = Later { write(writing, "x", 1) }
            result += [outcome(call_select(reading, -1, 60_000, &ready, &left)), "\(ready) \(left > 30_000)"]
            result += [outcome(call_select(reading, writing, -1, &ready, &left)), "\(ready)"]
            result += [outcome(call_select(900, -1, 1000, &ready, &left)), "\(ready)"]
            later.end()
            var byte: UInt8 = 0
            read(reading, &byte, 1)
            result += took(10) { call_pselect(reading, -1, 10, &ready) } + ["\(ready)"]
            let again = Later { write(writing, "x", 1) }
            result += [outcome(call_pselect(reading, -1, -1, &ready)), "\(ready)"]
            again.end()
            closeAll(reading, writing)
            return result
        },
        Scenario("epoll_wait and its kin") {
            let (reading, writing) = makePipe()
            let poller = call_epoll_create(reading, 77)
            var number: CInt = 0
            var result = [outcome(call_epoll_wait(0, poller, 4, 0, &number))]
            result += took(10) { call_epoll_wait(0, poller, 4, 10, &number) }
            let later = Later { write(writing, "x", 1) }
            result += [outcome(call_epoll_wait(0, poller, 4, -1, &number)), "\(number)"]
            later.end()
            result.append(outcome(call_epoll_wait(1, poller, 4, 1000, &number)))
            var byte: UInt8 = 0
            read(reading, &byte, 1)
            result += took(10) { call_epoll_wait(2, poller, 4, 10, &number) }
            result.append(outcome(call_epoll_wait(0, poller, 0, 10, &number)))
            closeAll(poller, reading, writing)
            return result
        },
    ]

    // MARK: sleep

    static let sleeping: [Scenario] = [
        Scenario("sleeping") {
            var wanted = milliseconds(10)
            var left = timespec()
            var now = timespec()
            var result = took(10) { nanosleep(&wanted, &left) } + took(10) { usleep(10_000) }
            result += took(10) { clock_nanosleep(CLOCK_MONOTONIC, 0, &wanted, &left) }
            clock_gettime(CLOCK_REALTIME, &now)
            now.tv_nsec += 10_000_000
            if now.tv_nsec >= 1_000_000_000 {
                (now.tv_sec, now.tv_nsec) = (now.tv_sec + 1, now.tv_nsec - 1_000_000_000)
            }
            result += took(8) { clock_nanosleep(CLOCK_REALTIME, CInt(TIMER_ABSTIME), &now, nil) }
            result += took(0) { clock_nanosleep(CLOCK_REALTIME, CInt(TIMER_ABSTIME), &now, nil) }
            return result
        },
        Scenario("no time, wrong times and clocks", waits: false) {
            var none = timespec()
            var wrong = timespec(tv_sec: 0, tv_nsec: -1)
            var negative = timespec(tv_sec: -1, tv_nsec: 0)
            var result = [outcome(nanosleep(&none, nil)), outcome(nanosleep(&wrong, nil))]
            result += [outcome(nanosleep(&negative, nil)), "\(sleep(0))", outcome(usleep(0))]
            result.append("\(clock_nanosleep(CLOCK_MONOTONIC, 0, &wrong, nil))")
            result.append("\(clock_nanosleep(99, 0, &none, nil))")
            return result
        },
        Scenario("a second of sleep") { took(1000) { sleep(1) } },
    ]

    // MARK: The rest

    static let others: [Scenario] = [
        // Whether a lookup is over before it is waited for is a matter of chance: see namesAreLookedUpElsewhere.
        Scenario("names", waits: false) {
            var hints = addrinfo()
            var found: UnsafeMutablePointer<addrinfo>?
            hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
            var result = ["\(getaddrinfo("localhost", "80", &hints, &found))", "\(found != nil)"]
            freeaddrinfo(found)
            hints.ai_flags = AI_NUMERICHOST
            result.append("\(getaddrinfo("no number", "80", &hints, nil))")
            hints.ai_flags = 0
            result.append("\(getaddrinfo("127.0.0.1", "no such service", &hints, &found))")
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            var host = [CChar](repeating: 0, count: 200)
            let status = withSocketAddress(&address) {
                getnameinfo($0, socklen_t(MemoryLayout<sockaddr_in>.size), &host, 200, nil, 0, 0)
            }
            result += [
                "\(status)", String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self),
            ]
            let entry = gethostbyname("localhost")
            result.append("\(entry?.pointee.h_length ?? -1)")
            return result
        },
        Scenario("children: their ends, stops, and none") {
            var status: CInt = 0
            var result = [outcome(waitpid(99_999_999, &status, 0))]
            let child = run_in_child(
                { _ in
                    usleep(15_000)
                    return 7
                }, nil)
            result += ["\(waitpid(child, &status, 0) == child)", "\(status >> 8)"]
            result.append(outcome(waitpid(child, &status, 0)))
            let second = run_in_child(
                { _ in
                    usleep(15_000)
                    return 8
                }, nil)
            var information = siginfo_t()
            result.append(outcome(waitid(P_PID, id_t(second), &information, WEXITED | WNOWAIT)))
            result += [outcome(waitid(P_PID, id_t(second), &information, WEXITED)), "\(information.si_code)"]
            let third = run_in_child(
                { _ in
                    raise(SIGSTOP)
                    return 9
                }, nil)
            result += ["\(waitpid(third, &status, WUNTRACED) == third)", "\(status & 0xff)"]
            kill(third, SIGCONT)
            var usage = rusage()
            result += ["\(wait4(third, &status, 0, &usage) == third)", "\(status >> 8)"]
            return result
        },
        Scenario("flock between two openings of a file") {
            var template = Array("/tmp/swiftlet-lock-XXXXXX".utf8CString)
            let first = mkstemp(&template)
            let second = open(template, O_RDWR)
            unlink(template)
            var result = [outcome(flock(first, LOCK_EX)), outcome(flock(second, LOCK_EX | LOCK_NB))]
            let later = Later { flock(first, LOCK_UN) }
            result.append(outcome(flock(second, LOCK_EX)))
            later.end()
            result.append(outcome(flock(first, LOCK_SH | LOCK_NB)))
            closeAll(first, second)
            return result
        },
        Scenario("record locks of an opening and of a process") {
            var template = Array("/tmp/swiftlet-lock-XXXXXX".utf8CString)
            let first = mkstemp(&template)
            let second = open(template, O_RDWR)
            unlink(template)
            let ofOpening: (set: CInt, wait: CInt) = (37, 38)  // F_OFD_SETLK, F_OFD_SETLKW
            var result = [outcome(call_lock(first, ofOpening.set, CInt(F_WRLCK)))]
            result.append(outcome(call_lock(second, ofOpening.set, CInt(F_WRLCK))))
            let later = Later { _ = call_lock(first, ofOpening.set, CInt(F_UNLCK)) }
            result.append(outcome(call_lock(second, ofOpening.wait, CInt(F_WRLCK))))
            later.end()
            closeAll(second)
            let (reading, writing) = makePipe()
            final class Ends {
                let file: CInt, writing: CInt
                init(_ file: CInt, _ writing: CInt) { (self.file, self.writing) = (file, writing) }
            }
            let ends = Ends(first, writing)
            let child = run_in_child(
                { argument in
                    let ends = Unmanaged<Ends>.fromOpaque(argument!).takeUnretainedValue()
                    let locked = call_lock(ends.file, F_SETLK, CInt(F_WRLCK))
                    write(ends.writing, "x", 1)
                    usleep(20_000)
                    return locked
                }, Unmanaged.passUnretained(ends).toOpaque())
            var byte: UInt8 = 0
            var status: CInt = 0
            read(reading, &byte, 1)
            result.append(outcome(call_lock(first, F_SETLKW, CInt(F_WRLCK))))
            waitpid(child, &status, 0)
            result.append("\(status >> 8)")
            closeAll(first, reading, writing)
            return result
        },
        Scenario("semaphores") {
            nonisolated(unsafe) let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
            sem_init(semaphore, 0, 1)
            var result = [outcome(sem_wait(semaphore)), outcome(sem_trywait(semaphore))]
            let later = Later { sem_post(semaphore) }
            result.append(outcome(sem_wait(semaphore)))
            later.end()
            var limit = timespec()
            var wrong = timespec(tv_sec: 0, tv_nsec: -1)
            clock_gettime(CLOCK_REALTIME, &limit)
            result.append(outcome(sem_timedwait(semaphore, &limit)))
            result.append(outcome(sem_timedwait(semaphore, &wrong)))
            limit.tv_sec += 30
            let again = Later { sem_post(semaphore) }
            result.append(outcome(sem_timedwait(semaphore, &limit)))
            again.end()
            sem_destroy(semaphore)
            semaphore.deallocate()
            return result
        },
        Scenario("a thread's end") {
            let thread = makeThread { usleep(10_000) }
            return ["\(pthread_join(thread, nil))"]
        },
        Scenario("a condition that a thread signals") {
            nonisolated(unsafe) let mutex = make_mutex(0)!.assumingMemoryBound(to: pthread_mutex_t.self)
            nonisolated(unsafe) let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
            let flag = Tally()
            pthread_cond_init(condition, nil)
            let later = Later {
                pthread_mutex_lock(mutex)
                flag.add()
                pthread_cond_signal(condition)
                pthread_mutex_unlock(mutex)
            }
            pthread_mutex_lock(mutex)
            while flag.count == 0 { pthread_cond_wait(condition, mutex) }
            var limit = timespec()
            clock_gettime(CLOCK_REALTIME, &limit)
            limit.tv_nsec = (limit.tv_nsec + 10_000_000) % 1_000_000_000
            let late = pthread_cond_timedwait(condition, mutex, &limit)
            let result = ["\(late)", "\(pthread_mutex_trylock(mutex))", "\(pthread_mutex_unlock(mutex))"]
            later.end()
            pthread_cond_destroy(condition)
            condition.deallocate()
            free_mutex(mutex)
            return result
        },
    ]
}
