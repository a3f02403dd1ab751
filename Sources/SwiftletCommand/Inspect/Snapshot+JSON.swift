import SwiftletInspect

extension Snapshot {
    /// All of it as one JSON object. Times are in nanoseconds, names as `ps` shows them.
    var json: String {
        JSONText.object([
            ("pid", "\(process.identifier)"), ("name", JSONText.quoted(process.name)),
            ("open_descriptors", "\(process.openDescriptors)"), ("descriptor_limit", "\(process.descriptorLimit)"),
            ("resident_kb", "\(process.residentKilobytes)"), ("look_ns", "\(process.duration)"),
            ("watched_ns", "\(process.watched)"),
            (
                "findings",
                JSONText.array(
                    findings.map { finding in
                        JSONText.object([
                            ("text", JSONText.quoted(finding.text)),
                            ("stack", JSONText.array(backtrace(finding.stack).map(JSONText.quoted))),
                        ])
                    })
            ),
            ("loops", JSONText.array(loops.map(json))), ("coroutines", JSONText.array(coroutines.map(json))),
            ("stacks", JSONText.array(stacks.indices.map { JSONText.array(backtrace($0).map(JSONText.quoted)) })),
            ("descriptors", JSONText.array(descriptors.map(json))),
            ("metrics", JSONText.object(metrics.map { ($0.name, JSONText.quoted($0.value)) })),
            (
                "reports",
                JSONText.array(
                    reports.map { report in
                        JSONText.object([
                            ("age_ns", "\(report.age)"), ("kind", JSONText.quoted(report.kind)),
                            ("message", JSONText.quoted(report.message)),
                        ])
                    })
            ),
        ])
    }

    private func json(_ loop: Loop) -> String {
        JSONText.object([
            ("thread", "\(loop.thread)"), ("thread_name", JSONText.quoted(loop.threadName)),
            ("state", JSONText.quoted(loop.state)), ("stuck_ns", loop.stuck.map(String.init)),
            ("busy_permille", loop.busy.map(String.init)),
            (
                "delay_ns",
                loop.delays.isEmpty
                    ? nil
                    : JSONText.object(zip(["p50", "p90", "p99", "max"], loop.delays).map { ($0, "\($1)") })
            ),
            ("turns", "\(loop.turns)"), ("parks", "\(loop.parks)"), ("polls", "\(loop.polls)"),
            ("sleeps", "\(loop.sleeps)"), ("hops", "\(loop.hops)"), ("jobs", "\(loop.jobs)"),
            ("fibers", "\(loop.fibers)"), ("timers", "\(loop.timers)"), ("ready", "\(loop.ready)"),
            ("ready_jobs", "\(loop.readyJobs)"), ("unread", "\(loop.unread)"),
            ("processor_ns", "\(loop.processorTime)"), ("stack", loop.stack.map(String.init)),
            ("running", loop.running.map { "\"\(String($0, radix: 16))\"" }),
        ])
    }

    private func json(_ coroutine: Coroutine) -> String {
        func hexadecimal(_ number: UInt) -> String { "\"\(String(number, radix: 16))\"" }
        return JSONText.object([
            ("id", hexadecimal(coroutine.identity)), ("loop", "\(coroutine.loop)"),
            ("number", coroutine.number > 0 ? "\(coroutine.number)" : nil), ("kind", "\"\(coroutine.kind)\""),
            ("state", "\"\(coroutine.state)\""), ("name", JSONText.quoted(coroutine.name)),
            ("origin", coroutine.origin.map(JSONText.quoted)), ("parent", coroutine.parent.map(hexadecimal)),
            ("wait", coroutine.wait.isEmpty ? nil : JSONText.quoted(coroutine.wait)),
            ("wait_ns", coroutine.waitAge.map(String.init)), ("age_ns", coroutine.age.map(String.init)),
            ("older", coroutine.isOlder ? "true" : nil), ("wait_older", coroutine.waitIsOlder ? "true" : nil),
            ("deadline_ns", coroutine.deadline.map(String.init)),
            ("scope", coroutine.scope.map(JSONText.quoted)), ("cancelled", coroutine.isCancelled ? "true" : nil),
            ("stack", coroutine.stack.map(String.init)), ("stack_used", "\(coroutine.stackUsed)"),
            ("stack_touched", "\(coroutine.stackTouched)"), ("stack_size", "\(coroutine.stackSize)"),
            ("cycle", coroutine.cycle.map(String.init)),
            ("waits_for", coroutine.waitsFor.isEmpty ? nil : JSONText.array(coroutine.waitsFor.map(hexadecimal))),
            ("ran_ns", coroutine.runTime > 0 ? "\(coroutine.runTime)" : nil),
            ("processor_permille", coroutine.processorShare.map(String.init)),
        ])
    }

    private func json(_ group: DescriptorGroup) -> String {
        JSONText.object([
            ("count", "\(group.count)"), ("description", JSONText.quoted(group.description)),
            ("numbers", JSONText.array(group.numbers.map { "\($0)" })), ("stack", group.stack.map(String.init)),
        ])
    }
}
