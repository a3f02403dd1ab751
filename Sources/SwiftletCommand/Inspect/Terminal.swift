import Glibc

/// The terminal as a screen and a keyboard, given back as it was found.
final class Terminal {
    private var before = termios()

    /// `nil` where there is none that understands the usual commands: output is a file or pipe, or the terminal is a dumb one.
    init?() {
        guard isatty(STDOUT_FILENO) != 0, isatty(STDIN_FILENO) != 0, let kind = getenv("TERM"), kind.pointee != 0,
            strcmp(kind, "dumb") != 0, tcgetattr(STDIN_FILENO, &before) == 0
        else { return nil }
        var raw = before
        cfmakeraw(&raw)
        raw.c_lflag |= tcflag_t(ISIG)  // Ctrl-C ends the program as ever
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw)
        send("\u{1b}[?1049h\u{1b}[?25l")
    }

    func restore() {
        send("\u{1b}[?25h\u{1b}[?1049l")
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before)
    }

    var size: (columns: Int, rows: Int) {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
            return (80, 24)
        }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Shows lines, the screen's height at most; the marked one stands out. In one write, so that nothing flickers.
    func show(_ lines: [String], marked: Int?) {
        let (columns, rows) = size
        var text = "\u{1b}[H"
        for row in 0..<rows {
            let line = row < lines.count ? Wording.cut(lines[row], to: columns) : ""
            text += row == marked ? "\u{1b}[7m\(Wording.padded(line, to: columns))\u{1b}[0m" : "\(line)\u{1b}[K"
            if row < rows - 1 { text += "\r\n" }
        }
        send(text)
    }

    private func send(_ text: String) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }  // the terminal has gone
            bytes = bytes.dropFirst(count)
        }
    }

    enum Key: Equatable {
        case character(Character)
        case up, down, pageUp, pageDown, enter, escape, backspace
        /// The terminal has gone.
        case end
    }

    /// What has been typed; to be called when the keyboard has something.
    func readKeys() -> [Key] {
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = read(STDIN_FILENO, &bytes, bytes.count)
        guard count > 0 else { return [.end] }
        var keys: [Key] = []
        var rest = bytes[..<count]
        let sequences: [(String, Key)] = [
            ("\u{1b}[A", .up), ("\u{1b}[B", .down), ("\u{1b}OA", .up), ("\u{1b}OB", .down), ("\u{1b}[5~", .pageUp),
            ("\u{1b}[6~", .pageDown),
        ]
        while let first = rest.first {
            if let (sequence, key) = sequences.first(where: { rest.starts(with: $0.0.utf8) }) {
                keys.append(key)
                rest = rest.dropFirst(sequence.utf8.count)
                continue
            }
            rest = rest.dropFirst()
            switch first {
            case 13, 10: keys.append(.enter)
            case 27: keys.append(.escape)
            case 127, 8: keys.append(.backspace)
            case 32..<127: keys.append(.character(Character(UnicodeScalar(first))))
            default: break
            }
        }
        return keys
    }
}
