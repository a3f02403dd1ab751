import Glibc

/// What may be changed from outside, as with the originals: sizes through the environment, the address as an argument.
enum Settings {
    static func number(_ name: String, default fallback: Int) -> Int { value(name).flatMap { Int($0) } ?? fallback }

    static func seconds(_ name: String, default fallback: Double) -> Duration {
        .seconds(value(name).flatMap { Double($0) } ?? fallback)
    }

    /// The slow server's address: the word after the example's name, else `SLOW_URL`, else the tutorial's.
    static var url: String {
        CommandLine.arguments.dropFirst(2).first ?? value("SLOW_URL") ?? "http://127.0.0.1:5000"
    }

    static func word(_ name: String) -> String? { value(name) }

    private static func value(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}

extension Duration {
    /// As Python prints a time span: plain seconds.
    var seconds: Double { self / .seconds(1) }
}
