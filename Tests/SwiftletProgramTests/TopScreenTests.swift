import SwiftletInspect
import Testing

@testable import SwiftletCommand

struct TopScreenTests {
    @Test
    func `A key`() {
        var screen = TopScreen()
        screen.press(.character("q"))
        #expect(screen.wantsToQuit)
    }
}
