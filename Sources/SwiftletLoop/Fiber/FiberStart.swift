public import SwiftletCoroutines

extension Fiber {
    /// Makes a fiber on the loop of the calling thread that runs once `start()` is called. Most fibers are made by `spawn`,
    /// which starts them.
    ///
    /// - Parameters:
    ///   - name: how reports call it.
    ///   - stackSize: bytes of address space for its stack; memory is used only as touched.
    ///   - file: where it is made, for reports.
    ///   - line: the same.
    ///   - body: plain synchronous code.
    public convenience init(
        name: String? = nil, stackSize: Int = StackSize.default, file: StaticString = #fileID, line: UInt32 = #line,
        _ body: @escaping () throws -> Value
    ) {
        unsafe self.init(body, loop: loopForSpawning(), file: file, line: line)
        let extras = makeExtras()
        extras.stackSize = stackSize
        extras.isUnscheduled = true
        extras.isDelayed = true  // nothing in the ready queue would notice that it is cancelled
        if let name { extras.setName(name) }
    }
}

extension AnyFiber {
    /// Starts a fiber made by `Fiber.init`. Does nothing to one that has been started, cancelled or killed.
    ///
    /// Thread rules: on the fiber's own loop.
    /// - Parameter delay: how long to wait before it runs.
    public final func start(after delay: Duration? = nil) {
        loop.requireCurrent("the start of \(self)")
        guard let extras = unsafe extras, extras.isUnscheduled else { return }
        extras.isUnscheduled = false
        extras.isDelayed = false
        guard state == .unstarted, !isCancelRequested else { return }
        loop.schedule(self, name: nil, after: delay, stackSize: extras.stackSize)
    }
}
