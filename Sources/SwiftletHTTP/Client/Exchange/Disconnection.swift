import Swiftlet

/// The peer has gone away, whichever layer noticed.
func isDisconnection(_ error: any Error) -> Bool {
    if error is ServerClosed || (error as? SocketError)?.isDisconnection ?? false { return true }
    #if TLS
        if (error as? TLSError)?.isDisconnection ?? false { return true }
    #endif
    return false
}
