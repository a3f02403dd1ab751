/// A coded body that cannot be decoded, or a coding that is not there.
public enum CompressionError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The coding is unknown, or was not built in.
    case unsupported(ContentCoding)
    /// The bytes are not what the coding says, or a checksum is wrong.
    case corrupt(ContentCoding)
    /// The stream ended before the coded data did.
    case truncated(ContentCoding)
    /// Further bytes follow the end of the coded data.
    case trailingBytes(ContentCoding)
    /// The decoded body is longer than ``ExpansionLimits/length``.
    case tooLong(limit: Int)
    /// The body expands by more than ``ExpansionLimits/ratio``.
    case expandsTooMuch(limit: Int)
    /// The library had no memory left.
    case outOfMemory

    public var description: String {
        switch self {
        case .unsupported(let coding):
            switch coding {
            case .gzip, .deflate: "\(coding) is not built in: turn on the package trait Zlib"
            case .brotli: "\(coding) is not built in: turn on the package trait Brotli"
            case .zstd: "\(coding) is not built in: turn on the package trait Zstd"
            default: "the content coding \"\(coding)\" is unknown: do not ask for it in Accept-Encoding"
            }
        case .corrupt(let coding): "the body is no valid \(coding) data"
        case .truncated(let coding): "the body ended before its \(coding) data did"
        case .trailingBytes(let coding): "the body goes on after its \(coding) data has ended"
        case .tooLong(let limit): "the decoded body is longer than \(limit) bytes: raise the limit if it may be"
        case .expandsTooMuch(let limit):
            "the body expands more than \(limit)-fold, as attacks do: raise ExpansionLimits.ratio if it may"
        case .outOfMemory: "there is no memory for (de)compression"
        }
    }
}

/// How far a coded body may expand. Checked while it is decoded, so that no more memory than that is ever used.
public struct ExpansionLimits: Sendable, Hashable {
    /// The longest decoded body; `nil` is no limit.
    public var length: Int?

    /// How many times longer the decoded body may be than the coded one; `nil` is no limit.
    ///
    /// Ordinary text becomes some ten times shorter, a page of zeros a thousand times.
    public var ratio: Int? = 250

    /// Up to this length a decoded body may have any ratio.
    public var freeLength = 4 << 20

    /// Makes the default limits: any length, 250-fold beyond 4 MiB.
    public init(length: Int? = nil) { self.length = length }

    /// Checks how far a body has come.
    func check(decoded: Int, coded: Int) throws(CompressionError) {
        if let length, decoded > length { throw .tooLong(limit: length) }
        guard let ratio, decoded > freeLength else { return }
        let (allowed, overflows) = coded.multipliedReportingOverflow(by: ratio)
        if !overflows, decoded > allowed { throw .expandsTooMuch(limit: ratio) }
    }
}
