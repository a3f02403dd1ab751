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
}
