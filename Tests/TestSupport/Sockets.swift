import Glibc

/// The kernel's names of the sockets behind descriptors, such as `socket:[4711]`. Unlike numbers, they are not reused
/// while tests run side by side.
public func socketNames(_ numbers: [CInt]) -> Set<String> {
    var names: Set<String> = []
    for number in numbers {
        let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            let count = readlink("/proc/self/fd/\(number)", buffer.baseAddress!, 255)
            buffer[max(count, 0)] = 0
            return String(cString: buffer.baseAddress!)
        }
        if text.hasPrefix("socket:") { names.insert(text) }
    }
    return names
}

/// Those of the sockets that are still open in this process.
public func stillOpen(_ names: Set<String>) -> Set<String> {
    socketNames(openDescriptors().map { CInt($0) }).intersection(names)
}
