/// The measurements as text, with the tutorial's own figures beside them.
struct Table: CustomStringConvertible {
    let measurements: [Measurement]

    var description: String {
        let header = ["mode", "", "wall", "CPU", "peak memory", "tutorial, 100 x 3 s"]
        let lines = measurements.map { row in
            [
                row.mode.rawValue, row.mode.about, "\(row.wallSeconds.formatted) s" + (row.isScaled ? "*" : " "),
                "\(row.processorSeconds.formatted(decimals: 3)) s",
                "\((Double(row.peakResidentBytes) / 1e6).formatted) MB",
                row.mode.tutorial.map { "\($0.seconds.plain) s  \($0.with)" } ?? "",
            ]
        }
        let widths = header.indices.map { column in ([header] + lines).map(\.[column].count).max()! }
        let isNumber = [false, false, true, true, true, false]
        let rows = ([header] + lines).map { cells in
            let padded = header.indices.map { column in
                let space = String(repeating: " ", count: widths[column] - cells[column].count)
                return isNumber[column] ? space + cells[column] : cells[column] + space
            }
            return padded.joined(separator: "  ").trimmingEnd
        }
        return (rows + notes).joined(separator: "\n")
    }

    private var notes: [String] {
        measurements.filter(\.isScaled).map { row in
            "* \(row.requestsMade) of \(row.requests) requests made, their time and CPU scaled to \(row.requests)"
        }
    }
}

extension Double {
    /// 305 rather than 305.0.
    fileprivate var plain: String { self == rounded() ? "\(Int(self))" : "\(self)" }
}

extension String {
    fileprivate var trimmingEnd: String { String(self[..<(lastIndex { $0 != " " }.map(index(after:)) ?? startIndex)]) }
}
