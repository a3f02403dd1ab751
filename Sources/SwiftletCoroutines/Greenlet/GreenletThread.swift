import CSwiftlet

/// What one thread knows of its greenlets: the main ones, the traces, and who is handing over control just now.
@safe
final class GreenletThread {
    private struct MainKey: Hashable {
        let home: UInt
        let run: UInt64
        let message: ObjectIdentifier
    }

    private var mains: [MainKey: AnyObject] = [:]
    private var latestKey: MainKey?
    private var latestMain: AnyObject?
    var traces: [ObjectIdentifier: Any] = [:]

    /// Set before a switch, taken where control arrives.
    var origin: AnyObject?
    var event = GreenletEvent.switch
    /// The greenlet that ended last: its core must live until its stack has been left.
    var ended: AnyObject?

    static var current: GreenletThread {
        let thread = unsafe currentThread()
        if let existing = unsafe thread.pointee.greenlets {
            // Safe: the record owns it until the thread ends.
            return unsafe Unmanaged<GreenletThread>.fromOpaque(existing).takeUnretainedValue()
        }
        let made = GreenletThread()
        unsafe thread.pointee.greenlets = unsafe Unmanaged.passRetained(made).toOpaque()
        unsafe thread.pointee.release_greenlets = { unsafe Unmanaged<GreenletThread>.fromOpaque($0!).release() }
        return made
    }

    /// Whose stack is this? A generator's counts as its resumer's; one that is no greenlet's has a main greenlet.
    func core<Message>(of context: ContextPointer) -> GreenletCore<Message> {
        var context = unsafe context
        while unsafe Int(context.pointee.kind) == Int(SWIFTLET_KIND_GENERATOR.rawValue) { unsafe context = unsafe context.pointee.resumer }
        if unsafe Int(context.pointee.kind) == Int(SWIFTLET_KIND_GREENLET.rawValue) {
            let owner = unsafe Unmanaged<StackOwner>.fromOpaque(context.pointee.owner).takeUnretainedValue()
            if let core = GreenletCore<Message>.ofThisFamily(owner) { return core }
            // A greenlet of another message type: this family starts at the same home.
        }
        let home = UInt(bitPattern: context)
        let key = unsafe MainKey(home: home, run: context.pointee.run, message: ObjectIdentifier(Message.self))
        if key == latestKey, let known = latestMain.flatMap(GreenletCore<Message>.ofThisFamily) { return known }
        defer {
            latestKey = key
            latestMain = mains[key]
        }
        if let known = mains[key].flatMap(GreenletCore<Message>.ofThisFamily) { return known }
        // Earlier occupants of this stack are gone for good.
        mains = mains.filter { unsafe $0.key.home != home || $0.key.run == context.pointee.run }
        let made = unsafe GreenletCore<Message>(mainOf: context)
        mains[key] = made
        return made
    }
}
