import SwiftletCoroutines

/// Which actor's type a distributed method belongs to.
///
/// The runtime finds a method by its mangled name alone, and does not ask whose it is. That name begins with the name of the type,
/// and with that of an outer one before it; so the longest beginning counts that names a type.
enum ActorMethods {
    /// What has been found out, by method: programs have few of them.
    private static let owners = Locked<[String: ObjectIdentifier?]>([:])

    static func belong(_ method: String, to type: Any.Type) -> Bool {
        let known = owners.withLock { $0[method] }
        if let known { return known == ObjectIdentifier(type) }
        let owner = owner(of: method).map { ObjectIdentifier($0) }
        // Names that belong to nothing could be without end.
        if owner != nil { owners.withLock { $0[method] = owner } }
        return owner == ObjectIdentifier(type)
    }

    private static func owner(of method: String) -> Any.Type? {
        guard method.hasPrefix("$s") else { return nil }
        var name = method.dropFirst(2)
        while !name.isEmpty {
            // The demangler is content with what lies last, such as the type of a result: that has another name.
            if let type = _typeByName(String(name)), _mangledTypeName(type) == String(name) { return type }
            name.removeLast()
        }
        return nil
    }
}
