import Glibc
import Swiftlet
import TestSupport
import Testing

/// How long the body takes.
func elapsed(_ body: () throws -> Void) rethrows -> Duration { try ContinuousClock().measure(body) }

/// What the calling thread has worked meanwhile: other tests run beside it.
func processorTime(_ body: () throws -> Void) rethrows -> Duration {
    let before = threadCPUTime()
    try body()
    return .nanoseconds(Int64(threadCPUTime() - before))
}

/// A synchronous pause, called where a task must not see that it parks.
func nap(_ milliseconds: Int = 1) throws { try sleep(.milliseconds(milliseconds)) }

/// The two ends of a pipe.
func makePipe() -> (reading: CInt, writing: CInt) {
    var ends: [CInt] = [0, 0]
    precondition(pipe(&ends) == 0)
    for end in ends {
        _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        _ = fcntl(end, F_SETFL, O_NONBLOCK)
    }
    return (ends[0], ends[1])
}

func writeByte(_ descriptor: CInt) {
    var byte: UInt8 = 1
    precondition(write(descriptor, &byte, 1) == 1)
}

/// Reads one byte; false when there is none.
func readByte(_ descriptor: CInt) -> Bool {
    var byte: UInt8 = 0
    return read(descriptor, &byte, 1) == 1
}

/// Runs one part of the program that has its main thread for itself; answers its status.
func runTakeoverProgram(_ part: String) throws -> CInt {
    var path = [CChar](repeating: 0, count: 4_096)
    let count = readlink("/proc/self/exe", &path, path.count - 1)
    try #require(count > 0)
    let own = String(decoding: path[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let program = own.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/TakeoverProgram"
    var process: pid_t = 0
    var arguments: [UnsafeMutablePointer<CChar>?] = [strdup(program), strdup(part), nil]
    defer { for argument in arguments { free(argument) } }
    try #require(posix_spawn(&process, program, nil, nil, &arguments, environ) == 0)
    var status: CInt = 0
    while waitpid(process, &status, 0) < 0, errno == EINTR {}
    return status
}
