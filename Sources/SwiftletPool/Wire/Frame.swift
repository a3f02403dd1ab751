// What goes over the socket between a pool and a worker: frames, each a header of 16 bytes and a payload.
//
// Pool to worker: begin (once), then call and cancel, at last finish.
// Worker to pool: hello (once), ready or startFailed (once), then answer and heard.
// Both: returned, for memory that the other side has lent.

/// What a frame says.
enum FrameKind: UInt8 {
    /// The worker's first word: `Hello`.
    case hello
    /// The pool's answer to it: `Begin`.
    case begin
    /// The initializer has succeeded.
    case ready
    /// The initializer has failed: `RemoteError`.
    case startFailed
    /// Jobs to be run.
    case call
    /// What came of a call's jobs.
    case answer
    /// A call's jobs should end.
    case cancel
    /// The worker has read a `cancel`: it is alive.
    case heard
    /// No more calls will come.
    case finish
    /// Nobody uses the memory any more that came with this number.
    case returned
}

/// What is special about a frame.
package struct FrameFlags: OptionSet, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// More of the same payload follows in a later frame of the same call.
    static let more = FrameFlags(rawValue: 1)
    /// The payload is a `SharedPayload`; the bytes lie in the memory whose descriptor came along.
    static let shared = FrameFlags(rawValue: 2)
    /// Call: a `CallEnvelope` comes before the jobs.
    package static let enveloped = FrameFlags(rawValue: 4)
    /// Values of a plain type, as they lie in memory.
    package static let plain = FrameFlags(rawValue: 8)
    /// Answer: each job has its outcome in front; else all have succeeded.
    package static let mixed = FrameFlags(rawValue: 16)
    /// Answer: nothing could be done with the call; the payload is one `RemoteError`.
    package static let failed = FrameFlags(rawValue: 32)
}

struct FrameHeader: BitwiseCopyable {
    static let size = 16

    var length: UInt32
    var kind: UInt8
    var flags: UInt8
    /// Call: which of the registered jobs.
    var type: UInt16
    /// Which call; 0 for what belongs to none.
    var call: UInt64
}

/// What a frame says of the memory that comes with it.
struct SharedPayload: BitwiseCopyable {
    var size: UInt64
    var number: UInt64
}

/// A frame without its payload.
struct Frame {
    let kind: FrameKind
    var flags: FrameFlags = []
    var type = 0
    var call: UInt64 = 0
}
