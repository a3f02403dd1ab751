import SwiftletCoroutines
public import SwiftletLoop

extension EventLoop {
    /// Closes the async generators that have begun on this loop and wait in a `yield`, so that their bodies clean up.
    /// asyncio's `shutdown_asyncgens`; the loop's end does it by itself.
    ///
    /// What a body throws goes to the exception handler. To be called on the loop.
    public func closeAsyncGenerators() async {
        for generator in asyncState.generators.values where generator.state == .suspended {
            do {
                try await generator.close()
            } catch {
                callExceptionHandler(
                    LoopFailure(
                        .unretrievedError,
                        "an error occurred during closing of asynchronous generator \(generator.name)", error: error))
            }
        }
    }

    func keep(_ generator: any AnyAsyncGenerator) {
        asyncState.generators[ObjectIdentifier(generator)] = generator
    }

    /// It has ended, on this loop.
    func forget(_ generator: any AnyAsyncGenerator) {
        if isCurrent { asyncState.generators[ObjectIdentifier(generator)] = nil }
    }
}
