import ArgumentParser

/// `3s`, `500ms`, `1.5s`, `2m` on the command line.
func parseDuration(_ text: String) throws -> Duration {
    let units: [(suffix: String, seconds: Double)] = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600)]
    guard let unit = units.first(where: { text.hasSuffix($0.suffix) }),
        let number = Double(text.dropLast(unit.suffix.count)), number.isFinite, number >= 0, number < 1e6
    else { throw ValidationError("a duration is a number with its unit, such as 3s, 500ms, 1.5s or 2m") }
    return .seconds(number * unit.seconds)
}

extension Duration {
    var inSeconds: Double { self / .seconds(1) }
}
