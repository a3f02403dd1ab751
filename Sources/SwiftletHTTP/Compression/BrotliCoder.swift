#if Brotli
    import CBrotli

    /// A Brotli stream that decodes. Its window is 16 MiB at most, as RFC 7932 has it.
    final class BrotliDecoder: Coder {
        private var state: OpaquePointer

        init() throws(CompressionError) { state = try Self.make() }

        deinit { BrotliDecoderDestroyInstance(state) }

        private static func make() throws(CompressionError) -> OpaquePointer {
            guard let state = BrotliDecoderCreateInstance(nil, nil, nil) else { throw .outOfMemory }
            return state
        }

        func step(
            _ input: UnsafeBufferPointer<UInt8>, into output: UnsafeMutableBufferPointer<UInt8>, _ mode: CoderMode
        ) throws(CompressionError) -> CoderStep {
            var (inputLeft, outputLeft) = (input.count, output.count)
            var (source, target) = (input.baseAddress, output.baseAddress)
            let result = BrotliDecoderDecompressStream(state, &inputLeft, &source, &outputLeft, &target, nil)
            guard result != BROTLI_DECODER_RESULT_ERROR else { throw .corrupt(.brotli) }
            return CoderStep(
                consumed: input.count - inputLeft, produced: output.count - outputLeft,
                isEnd: result == BROTLI_DECODER_RESULT_SUCCESS)
        }

        func reset() throws(CompressionError) {
            let fresh = try Self.make()
            BrotliDecoderDestroyInstance(state)
            state = fresh
        }
    }

    /// A Brotli stream that encodes.
    final class BrotliEncoder: Coder {
        private let level: UInt32
        private var state: OpaquePointer

        /// Makes an encoder.
        ///
        /// - Parameter level: 0 (fast) to 11 (small, and a hundred times slower).
        init(level: UInt32) throws(CompressionError) {
            self.level = level
            state = try Self.make(level)
        }

        deinit { BrotliEncoderDestroyInstance(state) }

        private static func make(_ level: UInt32) throws(CompressionError) -> OpaquePointer {
            guard let state = BrotliEncoderCreateInstance(nil, nil, nil) else { throw .outOfMemory }
            BrotliEncoderSetParameter(state, BROTLI_PARAM_QUALITY, level)
            return state
        }

        func step(
            _ input: UnsafeBufferPointer<UInt8>, into output: UnsafeMutableBufferPointer<UInt8>, _ mode: CoderMode
        ) throws(CompressionError) -> CoderStep {
            var (inputLeft, outputLeft) = (input.count, output.count)
            var (source, target) = (input.baseAddress, output.baseAddress)
            let operation =
                switch mode {
                case .more: BROTLI_OPERATION_PROCESS
                case .flush: BROTLI_OPERATION_FLUSH
                case .finish: BROTLI_OPERATION_FINISH
                }
            let succeeded = BrotliEncoderCompressStream(
                state, operation, &inputLeft, &source, &outputLeft, &target, nil)
            guard succeeded == BROTLI_TRUE else { throw .corrupt(.brotli) }
            return CoderStep(
                consumed: input.count - inputLeft, produced: output.count - outputLeft,
                isEnd: inputLeft == 0 && BrotliEncoderHasMoreOutput(state) == BROTLI_FALSE)
        }

        func reset() throws(CompressionError) {
            let fresh = try Self.make(level)
            BrotliEncoderDestroyInstance(state)
            state = fresh
        }
    }
#endif
