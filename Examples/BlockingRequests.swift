import Glibc
import Swiftlet
import SwiftletHTTP

/// Python's `requests`: a client that blocks its thread, and so the loop on it. The library's own synchronous client only
/// parks its task: `CLIENT=parking` uses that, and what takes five times the delay takes it once.
enum Requests {
    static func get(_ url: String) throws -> HTTPClientResponse {
        if Settings.word("CLIENT") == "parking" { return try SwiftletExamples.get(url) }
        final class Call: @unchecked Sendable {
            let url: String
            var result: Result<HTTPClientResponse, any Error>?
            init(_ url: String) { self.url = url }
        }
        let call = Call(url)
        var thread = pthread_t()
        let status = pthread_create(
            &thread, nil,
            { argument in
                let call = Unmanaged<Call>.fromOpaque(argument!).takeRetainedValue()
                call.result = Result { try SwiftletExamples.get(call.url) }
                return nil
            }, Unmanaged.passRetained(call).toOpaque())
        precondition(status == 0, "no thread: \(status)")
        pthread_join(thread, nil)  // this is what blocks
        return try call.result!.get()
    }
}
