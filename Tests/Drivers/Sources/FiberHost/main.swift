@preconcurrency import Glibc  // for `stdout`
import Swiftlet
import SwiftletInterpose

// Runs the `main` of a program that was built as a shared library in a fiber, so that all its blocking calls park, beside a
// fiber that counts: `FiberHost LIBRARY [ARGUMENT ...]`. For test programs of drivers.
let arguments = Array(CommandLine.arguments.dropFirst())
guard let library = arguments.first, let handle = dlopen(library, RTLD_NOW | RTLD_LOCAL),
    let entry = dlsym(handle, "main")
else {
    print(dlerror().map { String(cString: $0) } ?? "FiberHost LIBRARY [ARGUMENT ...]")
    exit(EX_USAGE)
}
typealias Main = @convention(c) (CInt, UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> CInt
nonisolated(unsafe) let entryPoint = unsafeBitCast(entry, to: Main.self)
setlinebuf(stdout)
patchAll()
let status = try EventLoop.run { () -> CInt in
    var words = arguments.map { strdup($0) } + [nil]
    let beside = spawn {
        var count = 0
        while usleep(1000) == 0 { count += 1 }
        return count
    }
    let status = words.withUnsafeMutableBufferPointer { entryPoint(CInt($0.count - 1), $0.baseAddress!) }
    beside.cancel()
    print("a fiber beside it ran \(try beside.get()) times; \(try EventLoop.current.statistics.parks) parks")
    return status
}
exit(status)
