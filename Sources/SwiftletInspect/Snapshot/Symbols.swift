import SwiftletCoroutines
import SwiftletLoop

/// The names of functions, each looked up once.
final class Symbols: Sendable {
    static let shared = Symbols()

    private let names = Locked<[UInt: String]>([:])

    func name(of address: UInt) -> String {
        if let known = names.withLock({ $0[address] }) { return known }
        let name = Inspection.name(of: address)
        names.withLock { $0[address] = name }
        return name
    }

    /// The same without the place in the function.
    func function(at address: UInt) -> Substring {
        let name = name(of: address)
        guard let plus = name.lastIndex(of: "+"), !name[plus...].hasPrefix("+ 0x") else { return name[...] }
        return name[..<plus]
    }
}
