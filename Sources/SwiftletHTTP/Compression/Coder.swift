/// How a compression library's stream is driven, in either direction: take some, give some.
///
/// Both buffers lie in memory of the caller's for the time of a call.
protocol Coder: AnyObject {
    /// Goes on until the input is used up or the output is full.
    ///
    /// - Parameter mode: what is to happen at the end of the input. A decoder looks at nothing but the input.
    /// - Throws: `CompressionError.corrupt`, `.outOfMemory`.
    func step(
        _ input: UnsafeBufferPointer<UInt8>, into output: UnsafeMutableBufferPointer<UInt8>, _ mode: CoderMode
    ) throws(CompressionError) -> CoderStep

    /// Makes it as new, for the next stream of the same kind.
    func reset() throws(CompressionError)
}

/// What an encoder does when it has taken all of its input.
enum CoderMode {
    /// It may keep back what helps to code better.
    case more
    /// Everything that came so far can be decoded from what it gives.
    case flush
    /// It ends the stream.
    case finish
}

/// What a step did.
struct CoderStep {
    var consumed: Int
    var produced: Int
    /// The stream has ended; what follows in the input is not part of it. An encoder has given everything.
    var isEnd: Bool
}
