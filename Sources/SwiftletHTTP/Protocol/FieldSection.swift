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
        guard lineCount < countLimit else {
            throw HTTPParseError(.tooManyFields, "there are more than \(countLimit) field lines")
        }
        lineCount += 1
        guard let colon = line.firstIndex(where: { !$0.isTokenCharacter }), colon > 0, line[colon] == .colon else {
            throw nameFault(line, kind: kind)
        }
        let valueBytes = line.extracting(line.trimmingBlanks((colon + 1)..<line.count))
        if let index = valueBytes.firstIndex(where: { !$0.isFieldValueCharacter }) {
            throw HTTPParseError(
                .invalidFieldValue,
                "\(kind) (\(String(ascii: line.extracting(0..<colon)))) has \(valueBytes[index].quoted) in its value")
        }
        guard let name = HTTPField.Name(String(ascii: line.extracting(0..<colon))) else {
            throw nameFault(line, kind: kind)
        }
        if let text = String(validating: valueBytes) {
            return HTTPField(name: name, value: text)
        }
        return HTTPField(name: name, value: Array(copying: valueBytes))
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
