import HTTPTypes

/// Undoes the content codings of a response's body, within bounds.
struct ContentDecoder {
    /// What Accept-Encoding says.
    static let accepted = ContentCoding.acceptedField

    private static let pieceSize = 64 * 1024
    /// The last one that was applied comes first.
    private let stages: [Decompressor]
    /// What is left of the input of each stage.
    private var inputs: [[UInt8]]

    /// - Throws: `CompressionError.unsupported`, for a coding that nobody asked for.
    init(head: ResponseHead?, isOn: Bool, limit: Int?) throws {
        var stages: [Decompressor] = []
        if isOn, let head, head.notes.contains(.contentEncoding) {
            let codings = ContentCoding.list(head.headerFields[.contentEncoding] ?? "")
            // Each of them multiplies what the one before makes: nobody uses two, but attackers do.
            guard codings.count <= 2 else { throw CompressionError.expandsTooMuch(limit: 2) }
            stages = try codings.reversed().map { try Decompressor($0, limits: ExpansionLimits(length: limit)) }
        }
        self.stages = stages
        inputs = Array(repeating: [], count: stages.count)
    }

    /// Nothing is to be undone.
    var isEmpty: Bool { stages.isEmpty }

    /// Takes a piece, once `decodeMore` has used up the one before.
    mutating func feed(_ piece: [UInt8]) { inputs[0] = piece }

    /// Decodes a part of what was fed, some 64 KB at most; nothing when that is used up.
    mutating func decodeMore() throws -> [UInt8] { isEmpty ? [] : try decodeMore(stages.count - 1) }

    private mutating func decodeMore(_ stage: Int) throws -> [UInt8] {
        while true {
            var output: [UInt8] = []
            let input = inputs[stage]
            let taken = try stages[stage].decode(input.span, into: &output, upTo: Self.pieceSize)
            inputs[stage].removeFirst(taken)
            if !output.isEmpty { return output }
            guard stage > 0 else { return [] }
            let more = try decodeMore(stage - 1)
            if more.isEmpty { return [] }
            inputs[stage] += more
        }
    }

    /// Says that the body has ended.
    func finish() throws { for stage in stages { try stage.finish() } }
}
