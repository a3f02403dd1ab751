import Glibc

/// The terminal as a screen and a keyboard, given back as it was found.
final class Terminal {
    private var before = termios()
    private var keyboard = Keyboard()

    /// `nil` where there is none that understands the usual commands: output is a file or pipe, or the terminal is a dumb one.
    init?() {
        guard isatty(STDOUT_FILENO) != 0, isatty(STDIN_FILENO) != 0, let kind = getenv("TERM"), kind.pointee != 0,
            strcmp(kind, "dumb") != 0, tcgetattr(STDIN_FILENO, &before) == 0
        else { return nil }
        enter()
    }

    /// Takes the terminal, at first or again after a stop: another screen, without a cursor, and without a new line behind a
    /// full one, so that a character that is wider than was thought moves nothing below it.
    func enter() {
        var raw = before
        cfmakeraw(&raw)
        raw.c_lflag |= tcflag_t(ISIG)  // Ctrl-C ends the program as ever, and Ctrl-Z stops it
        set(&raw)
        send("\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l")
    }

    func restore() {
        send("\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l")
        set(&before)
    }

    private func set(_ settings: inout termios) {
        while tcsetattr(STDIN_FILENO, TCSAFLUSH, &settings) < 0, errno == EINTR {}
    }

    var size: (columns: Int, rows: Int) { Self.size ?? (80, 24) }

    /// That of the terminal that output goes to; `nil` if it goes elsewhere.
    static var size: (columns: Int, rows: Int)? {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 else { return nil }
        return size.ws_col > 0 && size.ws_row > 0 ? (Int(size.ws_col), Int(size.ws_row)) : (80, 24)
    }

    /// Shows lines, the screen's height at most; the marked one stands out. In one write, so that nothing flickers.
    func show(_ lines: [String], marked: Int?) {
        let (columns, rows) = size
        var text = "\u{1b}[H"
        for row in 0..<rows {
            let line = row < lines.count ? Wording.cut(lines[row], to: columns) : ""
            if row == marked {
                text += "\u{1b}[7m\(Wording.padded(line, to: columns))\u{1b}[0m"
            } else {
                // Behind a full line the cursor stands on its last character.
                text += Wording.width(line) < columns ? "\(line)\u{1b}[K" : line
            }
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

    /// What has been typed; to be called when the keyboard has something.
    func readKeys() -> [Keyboard.Key] {
        var keys: [Keyboard.Key] = []
        repeat {
            var bytes = [UInt8](repeating: 0, count: 64)
            let count = read(STDIN_FILENO, &bytes, bytes.count)
            if count < 0, errno == EINTR { return keys }
            guard count > 0 else { return keys + [.end] }
            keys += keyboard.take(bytes[..<count])
        } while keyboard.isWaiting && hasMore
        return keys + keyboard.giveUp()
    }

    /// The rest of a sequence follows at once, unless a slow line cuts it; somebody's next key does not.
    private var hasMore: Bool {
        var wanted = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        return poll(&wanted, 1, 50) > 0
    }
}
