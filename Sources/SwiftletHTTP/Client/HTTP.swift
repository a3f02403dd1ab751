import Glibc
import Swiftlet
import SwiftletLoop

/// One-line requests, over a client that each thread has for itself, so that connections are reused and stay on their
/// loop.
public enum HTTP {
    /// The calling thread's client. It is closed with the thread.
    public static var client: HTTPClient {
        if let existing = pthread_getspecific(key) {
            return Unmanaged<HTTPClient>.fromOpaque(existing).takeUnretainedValue()
        }
        // Its callers know nothing of each other, so they share no cookies.
        var configuration = HTTPClient.Configuration()
        configuration.cookies = .none
        let made = HTTPClient(configuration)
        // Fails only without memory (pthread_setspecific(3)); then the client serves this once.
        if pthread_setspecific(key, Unmanaged.passRetained(made).toOpaque()) != 0 {
            Unmanaged.passUnretained(made).release()
        }
        return made
    }

    private static let key: pthread_key_t = {
        var key = pthread_key_t()
        let status = pthread_key_create(&key) { stored in
            let client = Unmanaged<HTTPClient>.fromOpaque(stored!).takeRetainedValue()
            client.pool.close()
        }
        precondition(status == 0, "out of thread-specific keys: a process has \(PTHREAD_KEYS_MAX)")
        return key
    }()
}
