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
        try check(line, kind: kind).field(in: line, kind: kind)
    }

    /// Checks one line and counts it; its field is left for later.
    mutating func check(_ line: Span<UInt8>, kind: LineKind) throws(HTTPParseError) -> FieldLine {
        guard lineCount < countLimit else {
            throw HTTPParseError(.tooManyFields, "there are more than \(countLimit) field lines")
        }
        lineCount += 1
        return try FieldLine(parsing: line, kind: kind)
    }

    /// The fields of lines that were checked, each with its line ending.
    static func fields(ofChecked lines: Span<UInt8>) -> HTTPFields {
        var fields = HTTPFields()
        var start = 0
        while start < lines.count {
            var end = start
            while lines[end] != .lineFeed { end += 1 }
            let line = lines.extracting(start..<(end - 1))
            let kind = LineKind.fieldLine(number: fields.count + 1)
            if let field = try? FieldLine(parsing: line, kind: kind).field(in: line, kind: kind) {
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
}

/// Where a field line has its name and its value; all of its bytes may stand where they are (RFC 9110, 5.1 and 5.5).
struct FieldLine {
    let name: Range<Int>
    let value: Range<Int>

    /// Looks at each byte of a line.
    init(parsing line: Span<UInt8>, kind: LineKind) throws(HTTPParseError) {
        guard let colon = line.firstIndex(where: { !$0.isTokenCharacter }), colon > 0, line[colon] == .colon else {
            throw Self.nameFault(line, kind: kind)
        }
        name = 0..<colon
        value = line.trimmingBlanks((colon + 1)..<line.count)
        if name.count == 17, line.extracting(name).equalsIgnoringCase("transfer-encoding") {
            // Tabs around a value are blanks (RFC 9110, 5.6.3), and nobody sends them here; but llhttp takes `chunked` and a
            // tab for another coding, so two readers would disagree about where the message ends.
            for index in (colon + 1)..<line.count where line[index] == .tab {
                throw HTTPParseError(.invalidFieldValue, "\(kind) (Transfer-Encoding) has a tab")
            }
        }
        let bytes = line.extracting(value)
        if let index = bytes.firstIndexOutsideFieldValue {
            throw HTTPParseError(
                .invalidFieldValue,
                "\(kind) (\(String(ascii: line.extracting(name)))) has \(bytes[index].quoted) in its value")
        }
    }

    /// The field, with strings of its own.
    func field(in line: Span<UInt8>, kind: LineKind) throws(HTTPParseError) -> HTTPField {
        guard let name = HTTPField.Name(String(ascii: line.extracting(name))) else {
            throw Self.nameFault(line, kind: kind)
        }
        let bytes = line.extracting(value)
        if let text = String(validating: bytes) { return HTTPField(name: name, value: text) }
        return HTTPField(name: name, value: Array(copying: bytes))
    }

    /// Says what is wrong with the part of a line that should be a field name and a colon.
    private static func nameFault(_ line: Span<UInt8>, kind: LineKind) -> HTTPParseError {
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
