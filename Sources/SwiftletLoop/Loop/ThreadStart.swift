import CSwiftlet
import Glibc
import SwiftletCoroutines

/// Starts a detached thread.
package func startThread(name: String, _ body: @escaping @Sendable () -> Void) throws {
    final class Start {
        let name: String
        let body: @Sendable () -> Void
        init(name: String, body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }
    var thread = pthread_t()
    let start = unsafe Unmanaged.passRetained(Start(name: name, body: body))
    let status = unsafe pthread_create(
        &thread, nil,
        { argument in
            let start = unsafe Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
            unsafe swiftlet_thread_name(start.name)
            start.body()
            return nil
        }, unsafe start.toOpaque())
    guard status == 0 else {
        unsafe start.release()
        throw ThreadStartError(name: name, errno: status)
    }
    pthread_detach(thread)
}

/// A thread could not be started.
public struct ThreadStartError: Error, Hashable, CustomStringConvertible {
    public let name: String
    public let errno: CInt

    public var description: String {
        unsafe "cannot start the thread '\(name)': \(String(cString: strerror(errno))); raise the limit of processes (ulimit -u)"
    }
}
