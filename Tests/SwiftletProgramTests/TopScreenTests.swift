import Testing

@testable import SwiftletCommand
@testable import SwiftletInspect

/// The full-screen view without a terminal: what keys and looks make of it.
struct TopScreenTests {
    private func fiber(_ number: Int, _ name: String, at identity: UInt, share: Int = 0) -> Snapshot.Coroutine {
        var fiber = Snapshot.Coroutine()
        (fiber.identity, fiber.number, fiber.name) = (identity, number, name)
        (fiber.kind, fiber.state, fiber.wait) = ("fiber", "waiting", "a timer")
        (fiber.processorShare, fiber.stackUsed, fiber.stackSize) = (share, 1000 * number, 245_760)
        return fiber
    }

    private func snapshot(_ coroutines: Snapshot.Coroutine...) -> Snapshot {
        var (snapshot, loop) = (Snapshot(), Snapshot.Loop())
        loop.thread = 4711
        (snapshot.loops, snapshot.coroutines) = ([loop], coroutines)
        return snapshot
    }

    private func screen(_ snapshot: Snapshot, keys: Keyboard.Key...) -> TopScreen {
        var screen = TopScreen(process: "process 1 (test)")
        screen.take(snapshot, hasBacktraces: false)
        for key in keys { screen.press(key) }
        return screen
    }

    private func marked(_ screen: inout TopScreen) -> String? {
        let (lines, marked) = screen.lines(columns: 80, rows: 24)
        return marked.map { lines[$0] }
    }

    private func text(_ screen: inout TopScreen, columns: Int = 80, rows: Int = 24) -> String {
        screen.lines(columns: columns, rows: rows).lines.joined(separator: "\n")
    }

    @Test
    func `A look stays at its coroutine, not at its address`() {
        var screen = screen(snapshot(fiber(5, "brief", at: 0x1000)), keys: .enter)
        #expect(text(&screen).hasPrefix("fiber 5: brief "))
        screen.take(snapshot(fiber(5, "brief", at: 0x1000)), hasBacktraces: true)
        #expect(!text(&screen).contains("HAS ENDED"))
        screen.take(snapshot(fiber(6, "brief", at: 0x1000)), hasBacktraces: true)
        #expect(text(&screen).hasPrefix("HAS ENDED, last seen as  fiber 5: brief "))
        screen.press(.character("q"))
        #expect(!screen.wantsToQuit && text(&screen).contains("sort processor"))
        screen.press(.character("q"))
        #expect(screen.wantsToQuit)
    }

    @Test
    func `A fiber that starts meanwhile, or whose loop takes another place, is still the same`() {
        var screen = screen(snapshot(fiber(0, "later", at: 0x1000)), keys: .enter)
        var both = snapshot(fiber(7, "later", at: 0x1000))
        both.loops.insert(Snapshot.Loop(), at: 0)
        both.coroutines[0].loop = 1
        screen.take(both, hasBacktraces: true)
        #expect(text(&screen).hasPrefix("fiber 1.7: later "))
        screen.take(snapshot(fiber(7, "later", at: 0x1000)), hasBacktraces: true)
        #expect(text(&screen).hasPrefix("fiber 7: later "))
    }

    @Test
    func `The mark stays on a coroutine that changes its place`() {
        let (busy, idle) = (fiber(1, "first", at: 0x1000, share: 500), fiber(2, "second", at: 0x2000, share: 100))
        var screen = screen(snapshot(busy, idle))
        #expect(marked(&screen) == nil)
        screen.press(.down)
        screen.press(.down)
        #expect(marked(&screen)?.contains("second") == true)
        var busier = idle
        busier.processorShare = 900
        screen.take(snapshot(busy, busier), hasBacktraces: false)
        #expect(screen.shown.map(\.name) == ["second", "first"])
        #expect(marked(&screen)?.contains("second") == true)
        // The same address, another fiber: the mark has the row of the one that ended.
        screen.take(snapshot(busy, fiber(3, "third", at: 0x2000, share: 700)), hasBacktraces: false)
        #expect(marked(&screen)?.contains("third") == true)
        screen.take(snapshot(busy, fiber(3, "third", at: 0x2000)), hasBacktraces: false)
        screen.press(.enter)
        #expect(text(&screen).hasPrefix("fiber 3: third "))
        screen.press(.escape)
        screen.press(.escape)
        #expect(marked(&screen) == nil)
    }

    @Test
    func `A look while paused asks for its backtrace and claims nothing before`() {
        var screen = screen(snapshot(fiber(1, "owner", at: 0x1000)), keys: .character("p"), .enter)
        #expect(screen.lacksBacktrace)
        #expect(text(&screen).contains("asking for the backtrace") && !text(&screen).contains("touched"))
        var answer = snapshot(fiber(1, "owner", at: 0x1000), fiber(2, "newcomer", at: 0x2000))
        (answer.stacks, answer.symbols) = ([[1]], [1: "Module.sleepLong() + 3"])
        answer.coroutines[0].stack = 0
        screen.showBacktrace(of: answer)
        #expect(!screen.lacksBacktrace)
        #expect(text(&screen).contains("Module.sleepLong()") && text(&screen).contains("0 of 240 KB touched"))
        screen.press(.escape)
        #expect(text(&screen).contains("PAUSED") && !text(&screen).contains("newcomer"))
    }

    @Test
    func `A long backtrace is wrapped and can be scrolled`() {
        var answer = snapshot(fiber(1, "owner", at: 0x1000))
        answer.stacks = [Array(1...40)]
        for address in UInt(1)...40 {
            answer.symbols[address] =
                "Module.step\(address)(_: Swift.String, with: Swift.Optional<Swift.Int>, and: Swift.Bool)"
        }
        answer.coroutines[0].stack = 0
        var screen = screen(answer, keys: .enter)
        screen.take(answer, hasBacktraces: true)
        let (lines, _) = screen.lines(columns: 60, rows: 24)
        #expect(lines.count == 24 && lines.allSatisfy { $0.count <= 60 })
        #expect(lines.contains("      Swift.Optional<Swift.Int>, and: Swift.Bool)"))
        for _ in 0..<20 { screen.press(.pageDown) }
        #expect(text(&screen, columns: 60).contains("Module.step40("))
        for _ in 0..<200 { screen.press(.up) }
        #expect(text(&screen, columns: 60).contains("spawned at"))
    }

    @Test
    func `On 80 columns the keys, the sorted column, deadlines and the ends of places are there`() {
        var unnamed = fiber(13, "fiber at SwiftletNet/Subprocess+Run.swift:83", at: 0x1000)
        (unnamed.origin, unnamed.deadline) = ("SwiftletNet/Subprocess+Run.swift:83", 240_000_000_000)
        var screen = screen(snapshot(unnamed))
        #expect(text(&screen).contains("..s+Run.swift:83 a timer, at most 4 min more"))
        #expect(text(&screen).contains("[enter] look [?] keys [q]uit"))
        for key in "rsss" { screen.press(.character(key)) }
        #expect(text(&screen).contains("sort stack, reversed   [?] keys [q]uit"))
        #expect(text(&screen).contains(" STACK ") && text(&screen).contains(" 13,000 B "))
        for key in "/" + String(repeating: "x", count: 100) { screen.press(.character(key)) }
        screen.press(.enter)
        #expect(text(&screen).contains("..   [?] keys [q]uit"))
        screen.press(.character("?"))
        #expect(text(&screen).contains("up down  k j "))
        #expect(screen.lines(columns: 80, rows: 24).lines.allSatisfy { $0.count <= 80 })
        screen.press(.character("q"))
        #expect(!screen.wantsToQuit && text(&screen).contains("[?] keys"))
    }

    @Test
    func `Before the first answer it says whom it asks`() {
        var screen = TopScreen(process: "process 1 (test)")
        #expect(text(&screen).hasPrefix("asking process 1 (test)..."))
        screen.press(.enter)
        screen.press(.down)
        #expect(screen.look == nil)
    }

    // MARK: Keys

    @Test(arguments: [
        ("\u{1b}[A\u{1b}OB\u{1b}[5~\u{1b}[6~", [Keyboard.Key.up, .down, .pageUp, .pageDown]),
        // Left, Home, Ctrl-Right, F5 and F1 mean nothing, and are no escape key either.
        ("\u{1b}[D\u{1b}[H\u{1b}[1;5C\u{1b}[15~\u{1b}OPx", [.character("x")]),
        ("\u{1b}q", [.escape, .character("q")]), ("\u{1b}", [.escape]), ("\u{1b}\u{1b}", [.escape, .escape]),
        ("\u{1b}[", []), ("\u{1b}[1;", []), ("a\r\u{7f}\t", [.character("a"), .enter, .backspace]),
        ("ü漢", [.character("ü"), .character("漢")]),
    ])
    func `Keys are told from the bytes of a terminal`(text: String, keys: [Keyboard.Key]) {
        var keyboard = Keyboard()
        #expect(keyboard.take(text.utf8) + keyboard.giveUp() == keys)
        #expect(!keyboard.isWaiting)
        // In portions, as a slow line brings them.
        var one = Keyboard()
        #expect(text.utf8.flatMap { one.take([$0]) } + one.giveUp() == keys)
    }

    @Test
    func `A key without a meaning neither leaves a look nor drops a filter`() {
        var keyboard = Keyboard()
        var screen = screen(snapshot(fiber(1, "owner", at: 0x1000)))
        for key in keyboard.take("/own\u{1b}[D\r".utf8) { screen.press(key) }
        #expect(screen.filter == "own" && !screen.isTyping)
        for key in keyboard.take("\r\u{1b}[D\u{1b}[H".utf8) { screen.press(key) }
        #expect(screen.look != nil)
    }

    // MARK: Cells

    @Test
    func `Wide and combining characters`() {
        #expect(Wording.width("漢字") == 4 && Wording.width("e\u{301}") == 1 && Wording.width("한글") == 4)
        #expect(Wording.width("ü…─") == 3 && Wording.width("🙂") == 2)
        #expect(Wording.padded("漢字", to: 6) == "漢字  ")
        #expect(Wording.cut("漢字漢字", to: 7) == "漢字.." && Wording.cut("漢字漢字", to: 8) == "漢字漢字")
        #expect(Wording.cutFront("漢字漢字", to: 7) == "..漢字" && Wording.cutFront("abc", to: 3) == "abc")
        #expect(
            Wording.cut("abc", to: 2) == "ab" && Wording.cut("abc", to: 0) == "" && Wording.cut("abc", to: -1) == "")
        #expect(Wording.wrapped("漢字 漢字", to: 6) == ["漢字", "  漢字"])
        #expect(Wording.wrapped("one abcdefgh", to: 6) == ["one", "  abcd", "  efgh"])
        #expect(Wording.wrapped("漢字", to: 1) == ["漢字"] && Wording.wrapped("", to: 5) == [""])
    }

    @Test
    func `A deadline that has passed is no negative time`() {
        #expect(Wording.time(-1_300_000) == "0 us" && Wording.time(1_300_000) == "1.3 ms")
        var coroutine = fiber(1, "later", at: 0x1000)
        (coroutine.wait, coroutine.deadline) = ("", 999_000_000_000)
        #expect(coroutine.waitWithDeadline == "at most 16 min more")
    }
}
