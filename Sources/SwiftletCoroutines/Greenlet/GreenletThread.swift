import CSwiftlet

/// What one thread knows of its greenlets: the main ones and the traces.
@safe
final class GreenletThread {
    typealias Trace = (GreenletEvent, _ from: GreenletCore, _ to: GreenletCore) throws -> Void

    private struct MainKey: Hashable {
        let home: UInt
        let run: UInt64
        let family: ObjectIdentifier
    }

    private var mains: [MainKey: GreenletCore] = [:]
    /// The main core that was asked for last: mostly the one that is asked for next.
    private var latest: (key: MainKey, core: GreenletCore)?
    private var traces: [ObjectIdentifier: Trace] = [:]

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

    /// Whose stack runs? A generator's counts as its resumer's; one that is no greenlet's, or one of another message
    /// type, has a main greenlet of this family.
    static func core(family: ObjectIdentifier) -> GreenletCore {
        let home = unsafe swiftlet_greenlet_stack_of(currentThread().pointee.current)!
        if unsafe Int(home.pointee.kind) == Int(SWIFTLET_KIND_GREENLET.rawValue) {
            // Safe: a greenlet's stack has no other owner than its core.
            let core = unsafe unsafeDowncast(
                Unmanaged<StackOwner>.fromOpaque(home.pointee.owner).takeUnretainedValue(), to: GreenletCore.self)
            if core.family == family { return core }
        }
        return unsafe current.main(of: home, family: family)
    }

    private func main(of home: ContextPointer, family: ObjectIdentifier) -> GreenletCore {
        let key = unsafe MainKey(home: UInt(bitPattern: home), run: home.pointee.run, family: family)
        if let latest, latest.key == key { return latest.core }
        if let known = mains[key] {
            latest = (key, known)
            return known
        }
        // Earlier occupants of this stack are gone for good.
        mains = mains.filter { $0.key.home != key.home || $0.key.run == key.run }
        let made = unsafe GreenletCore(mainOf: home, family: family)
        mains[key] = made
        latest = (key, made)
        return made
    }

    func setTrace(_ trace: Trace?, family: ObjectIdentifier) {
        traces[family] = trace
        unsafe currentThread().pointee.traces_greenlets = !traces.isEmpty
    }

    func trace(_ event: GreenletEvent, _ from: GreenletCore, _ to: GreenletCore) {
        guard let callback = traces[to.family] else { return }
        do {
            try callback(event, from, to)
        } catch {
            setTrace(nil, family: to.family)
            Report(.unretrievedError, "a greenlet trace callback threw \(error) and was removed").post()
        }
    }
}
