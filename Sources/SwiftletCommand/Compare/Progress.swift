import Glibc

/// What is being done, on standard error: one line that is rewritten on a terminal, a line each elsewhere.
struct Progress {
    private let isTerminal = isatty(STDERR_FILENO) == 1

    func show(_ text: String) { writeToStandardError(isTerminal ? "\r\u{1b}[K\(text)" : "\(text)\n") }

    /// Leaves the terminal's line to what follows.
    func clear() { if isTerminal { writeToStandardError("\r\u{1b}[K") } }
}
