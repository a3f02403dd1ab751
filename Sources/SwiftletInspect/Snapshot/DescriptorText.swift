import CSwiftlet
import Glibc

/// What a descriptor of this process is, for people.
enum DescriptorText {
    static let closed = "closed"

    /// Such as `TCP 127.0.0.1:5000 -> 127.0.0.1:38212`.
    static func describe(_ number: CInt) -> String {
        var status = stat()
        guard fstat(number, &status) == 0 else { return closed }
        switch status.st_mode & S_IFMT {
        case S_IFSOCK: return describeSocket(number)
        case S_IFIFO: return "pipe"
        case S_IFREG, S_IFDIR: return target(number)
        default: return describeSpecial(number)
        }
    }

    /// The same without what tells one connection from its siblings: for groups.
    ///
    /// - Parameter listening: the addresses at which this process listens: what comes from there was accepted.
    static func sort(of number: CInt, listening: Set<String>) -> String {
        var status = stat()
        guard fstat(number, &status) == 0 else { return closed }
        guard status.st_mode & S_IFMT == S_IFSOCK else { return describe(number) }
        let family = familyName(number)
        let mine = address(number, getsockname) ?? "unnamed"
        if isListening(number) { return "\(family) listener \(mine)" }
        guard let peer = address(number, getpeername) else { return "\(family) \(mine), not connected" }
        return listening.contains(mine) || listening.contains(wildcard(mine))
            ? "\(family) connections accepted at \(mine)" : "\(family) connections to \(peer)"
    }

    /// The address at which the socket listens, if it does.
    static func listeningAddress(of number: CInt) -> String? {
        isListening(number) ? address(number, getsockname) : nil
    }

    /// The same port of any address.
    private static func wildcard(_ address: String) -> String {
        let port = address.split(separator: ":").last ?? ""
        return address.hasPrefix("[") ? "[::]:\(port)" : "0.0.0.0:\(port)"
    }

    private static func describeSocket(_ number: CInt) -> String {
        let family = familyName(number)
        let mine = address(number, getsockname) ?? ""
        if isListening(number) { return "\(family) listener \(mine)" }
        guard let peer = address(number, getpeername) else { return "\(family) \(mine), not connected" }
        return "\(family) \(mine) -> \(peer)"
    }

    private static func isListening(_ number: CInt) -> Bool {
        var value: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        return getsockopt(number, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value != 0
    }

    private static func familyName(_ number: CInt) -> String {
        var (domain, kind): (CInt, CInt) = (0, 0)
        var size = socklen_t(MemoryLayout<CInt>.size)
        getsockopt(number, SOL_SOCKET, SO_DOMAIN, &domain, &size)
        getsockopt(number, SOL_SOCKET, SO_TYPE, &kind, &size)
        if domain == AF_UNIX { return "Unix" }
        guard domain == AF_INET || domain == AF_INET6 else { return "socket" }
        return kind == CInt(SOCK_DGRAM.rawValue) ? "UDP" : "TCP"
    }

    private static func address(
        _ number: CInt,
        _ ask: (CInt, UnsafeMutablePointer<sockaddr>?, UnsafeMutablePointer<socklen_t>?) -> CInt
    ) -> String? {
        var storage = sockaddr_storage()
        var size = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> String? in
                guard ask(number, address, &size) == 0 else { return nil }
                if CInt(address.pointee.sa_family) == AF_UNIX { return unixPath(UnsafeRawPointer(pointer), Int(size)) }
                var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
                var service = [CChar](repeating: 0, count: 32)
                guard
                    getnameinfo(
                        address, size, &host, socklen_t(host.count), &service, socklen_t(service.count),
                        NI_NUMERICHOST | NI_NUMERICSERV) == 0
                else { return nil }
                let name = text(host)
                return (name.contains(":") ? "[\(name)]" : name) + ":" + text(service)
            }
        }
    }

    private static func unixPath(_ address: UnsafeRawPointer, _ size: Int) -> String {
        let begin = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)!
        guard size > begin else { return "unnamed" }
        var bytes = UnsafeRawBufferPointer(start: address + begin, count: size - begin).map { $0 }
        if bytes.first == 0 { bytes[0] = UInt8(ascii: "@") }
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }

    private static func text(_ bytes: [CChar]) -> String {
        String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func target(_ number: CInt) -> String {
        var path = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = readlink("/proc/self/fd/\(number)", &path, path.count - 1)
        return length > 0 ? text(path) : "descriptor"
    }

    private static func describeSpecial(_ number: CInt) -> String {
        let target = target(number)
        guard target == "anon_inode:[pidfd]", let file = fopen("/proc/self/fdinfo/\(number)", "r") else {
            return target.hasPrefix("anon_inode:") ? String(target.dropFirst("anon_inode:".count)) : target
        }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 128)
        while fgets(&line, CInt(line.count), file) != nil {
            let words = text(line).split(whereSeparator: \.isWhitespace)
            if words.first == "Pid:", let identifier = words.last { return "the end of process \(identifier)" }
        }
        return "the end of a process"
    }
}
