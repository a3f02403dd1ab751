import CSwiftlet
import SwiftletCoroutines

/// Where the properties of a fiber lie in it, so that a copy of its memory can be read: the fiber itself may be gone.
///
/// Found out on objects made for that, once, and believed only if what is read there is what was put there.
@safe
struct FiberLayout: Sendable {
    @safe
    struct Addresses {
        let state, cancelled, file, line, spawner, joiners, extras: UnsafeRawPointer
    }

    @safe
    struct ExtrasAddresses {
        let name, membership, isBackground: UnsafeRawPointer
    }

    var state = 0
    var cancelled = 0
    var file = 0
    var line = 0
    var spawner = 0
    var joiners = 0
    var extras = 0
    /// How much of a fiber holds all of these.
    var size = 0
    var extrasName = 0
    var extrasMembership = 0
    var extrasIsBackground = 0
    var extrasSize = 0
    var scopeFile = 0
    var scopeLine = 0
    var scopeSize = 0

    /// `nil` when the compiler has laid things out in a way that cannot be read from outside.
    static func find(on loop: EventLoop) -> FiberLayout? {
        var layout = FiberLayout()
        let line: UInt32 = 0x5afe_517e
        let fiber = unsafe Fiber<Void>(
            {}, loop: Unmanaged.passUnretained(loop).toOpaque(), file: #fileID, line: line)
        let extras = fiber.makeExtras()
        extras.setName("probe")
        extras.isBackground = true
        let scope = SpawnScope(loop, deadline: nil, file: #fileID, line: line)
        extras.membership = (scope, 0x5afe)
        let base = unsafe UnsafeRawPointer(Unmanaged.passUnretained(fiber).toOpaque())
        let addresses = fiber.addressesForInspection()
        layout.state = unsafe addresses.state - base
        layout.cancelled = unsafe addresses.cancelled - base
        layout.file = unsafe addresses.file - base
        layout.line = unsafe addresses.line - base
        layout.spawner = unsafe addresses.spawner - base
        layout.joiners = unsafe addresses.joiners - base
        layout.extras = unsafe addresses.extras - base
        layout.size =
            8
            + max(
                layout.state, layout.cancelled, layout.file, layout.line, layout.spawner, layout.joiners, layout.extras)
        let extrasBase = unsafe UnsafeRawPointer(Unmanaged.passUnretained(extras).toOpaque())
        let extrasAddresses = extras.addressesForInspection()
        layout.extrasName = unsafe extrasAddresses.name - extrasBase
        layout.extrasMembership = unsafe extrasAddresses.membership - extrasBase
        layout.extrasIsBackground = unsafe extrasAddresses.isBackground - extrasBase
        layout.extrasSize = 16 + max(layout.extrasName, layout.extrasMembership, layout.extrasIsBackground)
        let scopeBase = unsafe UnsafeRawPointer(Unmanaged.passUnretained(scope).toOpaque())
        let scopeAddresses = unsafe scope.addressesForInspection()
        layout.scopeFile = unsafe scopeAddresses.file - scopeBase
        layout.scopeLine = unsafe scopeAddresses.line - scopeBase
        layout.scopeSize = 16 + max(layout.scopeFile, layout.scopeLine)
        defer { withExtendedLifetime((fiber, extras, scope)) {} }
        return unsafe layout.isTrue(
            of: base, extrasBase, scopeBase, line: line, name: extras.nameBytes!) ? layout : nil
    }

    private func isTrue(
        of fiber: UnsafeRawPointer, _ extras: UnsafeRawPointer, _ scope: UnsafeRawPointer, line: UInt32,
        name: UnsafeMutablePointer<CChar>
    ) -> Bool {
        guard (16..<512).contains(size), (16..<512).contains(extrasSize), (16..<512).contains(scopeSize) else {
            return false
        }
        return unsafe fiber.load(fromByteOffset: self.line, as: UInt32.self) == line
            && fiber.load(fromByteOffset: self.extras, as: UInt.self) == UInt(bitPattern: extras)
            && fiber.load(fromByteOffset: state, as: UInt8.self) == AnyFiber.State.unstarted.rawValue
            && extras.load(fromByteOffset: extrasName, as: UInt.self) == UInt(bitPattern: name)
            && extras.load(fromByteOffset: extrasMembership, as: UInt.self) == UInt(bitPattern: scope)
            && extras.load(fromByteOffset: extrasIsBackground, as: Bool.self)
            && scope.load(fromByteOffset: scopeLine, as: UInt32.self) == line
    }
}
