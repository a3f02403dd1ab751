import Swiftlet

/// A server that sends back whatever comes, for the peers' load generator. Runs until it is killed.
func serveEcho(port: Int, _ kind: Kind) throws {
    switch kind {
    case .fiber:
        try EventLoop.run {
            try TCPListener(port: port).serve { connection in
                try withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 8) { buffer in
                    while case let count = try connection.read(into: buffer), count > 0 {
                        try connection.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                    }
                }
            }
        }
    case .task:
        try EventLoop.run {
            try await TCPListener(port: port).serve { connection in
                while case let bytes = try await connection.read(upTo: 4096), !bytes.isEmpty {
                    try await connection.write(bytes)
                }
            }
        }
    }
}
