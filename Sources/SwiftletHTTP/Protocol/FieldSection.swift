import HTTPTypes

/// Parses the field lines of a head or of a trailer section (RFC 9112, 5).
struct FieldSection {
    /// The fields so far, in the order of their lines.
    private(set) var fields = HTTPFields()

    /// The number of lines so far. It differs from the number of fields when a caller keeps some for itself.
    private(set) var lineCount = 0

    /// The most lines that there may be. `HTTPFields` itself holds fewer than 65,535.
    private let countLimit: Int

    init(countLimit: Int) {
        self.countLimit = min(countLimit, Int(UInt16.max) - 1)
    }

    /// Parses one line and returns its field, which the caller appends or keeps for itself.
    mutating func parse(_ line: Span<UInt8>, kind: LineKind) throws(HTTPParseError) -> HTTPField {
        let (nameEnd, value) = try check(line, kind: kind)
        guard let field = Self.field(line, nameEnd, value) else { throw nameFault(line, kind: kind) }
        return field
    }

    /// Checks one line and counts it.
    ///
    /// - Returns: where its name ends, and where its value lies.
    mutating func check(
        _ line: Span<UInt8>, kind: LineKind
    ) throws(HTTPParseError) -> (nameEnd: Int, value: Range<Int>) {
        guard lineCount < countLimit else {
            throw HTTPParseError(.tooManyFields, "there are more than \(countLimit) field lines")
        }
        lineCount += 1
        guard let colon = line.firstIndex(where: { !$0.isTokenCharacter }), colon > 0, line[colon] == .colon else {
            throw nameFault(line, kind: kind)
        }
        let value = line.trimmingBlanks((colon + 1)..<line.count)
        if let index = line.extracting(value).firstIndex(where: { !$0.isFieldValueCharacter }) {
            throw HTTPParseError(
                .invalidFieldValue,
                "\(kind) (\(String(ascii: line.extracting(0..<colon)))) has "
                    + "\(line[value.lowerBound + index].quoted) in its value")
        }
        return (colon, value)
    }

    /// The field of a line that was checked.
    private static func field(_ line: Span<UInt8>, _ nameEnd: Int, _ value: Range<Int>) -> HTTPField? {
        guard let name = HTTPField.Name(String(ascii: line.extracting(0..<nameEnd))) else { return nil }
        let valueBytes = line.extracting(value)
        if let text = String(validating: valueBytes) { return HTTPField(name: name, value: text) }
        return HTTPField(name: name, value: Array(copying: valueBytes))
    }

    /// The fields of lines that were checked, each with its line ending.
    static func fields(ofChecked lines: Span<UInt8>) -> HTTPFields {
        var fields = HTTPFields()
        var start = 0
        while start < lines.count {
            var end = start
            while lines[end] != .lineFeed { end += 1 }
            let line = lines.extracting(start..<(end - 1))
            let nameEnd = line.firstIndex { $0 == .colon } ?? 0
            if let field = field(line, nameEnd, line.trimmingBlanks((nameEnd + 1)..<line.count)) {
                fields.append(field)
            }
            start = end + 1
        }
        return fields
    }

    /// Adds a field.
    mutating func append(_ field: HTTPField) {
        fields.append(field)
    }

    /// Says what is wrong with the part of a line that should be a field name and a colon.
    private func nameFault(_ line: Span<UInt8>, kind: LineKind) -> HTTPParseError {
        guard let index = line.firstIndex(where: { !$0.isTokenCharacter }) else {
            return HTTPParseError(.invalidFieldName, "\(kind) has no colon")
        }
        let byte = line[index]
        if index == 0 && byte.isBlank {
            // RFC 9112, 5.2: a continuation may be refused, and nothing has sent one on purpose for decades.
            return HTTPParseError(.foldedFieldLine, "\(kind) begins with a blank; a field is one line")
        }
        if index == 0 && byte == .colon {
            return HTTPParseError(.invalidFieldName, "\(kind) has an empty field name")
        }
        if byte.isBlank {
            // RFC 9112, 5.1: "Content-Length : 5" is read by some as a length and by some as an unknown field.
            return HTTPParseError(.invalidFieldName, "\(kind) has a blank in or after its field name")
        }
        return HTTPParseError(.invalidFieldName, "\(kind) has \(byte.quoted) in its field name")
    }
}
