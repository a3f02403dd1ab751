#if Zstd
    import CZstd

    /// A Zstandard stream that decodes. Its window is 8 MiB at most, as RFC 9659 asks of HTTP.
    final class ZstdDecoder: Coder {
        private static let windowLog: CInt = 23
        private let state: OpaquePointer

        init() throws(CompressionError) {
            guard let state = ZSTD_createDCtx() else { throw .outOfMemory }
            self.state = state
            ZSTD_DCtx_setParameter(state, ZSTD_d_windowLogMax, Self.windowLog)
        }

        deinit { ZSTD_freeDCtx(state) }

        func step(
            _ input: UnsafeBufferPointer<UInt8>, into output: UnsafeMutableBufferPointer<UInt8>, _ mode: CoderMode
        ) throws(CompressionError) -> CoderStep {
            var source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
            var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
            let hint = ZSTD_decompressStream(state, &target, &source)
            guard ZSTD_isError(hint) == 0 else { throw .corrupt(.zstd) }
            return CoderStep(consumed: source.pos, produced: target.pos, isEnd: hint == 0)
        }

        func reset() throws(CompressionError) {
            ZSTD_DCtx_reset(state, ZSTD_reset_session_only)
        }
    }

    /// A Zstandard stream that encodes.
    final class ZstdEncoder: Coder {
        private let state: OpaquePointer

        /// Makes an encoder.
        ///
        /// - Parameter level: 1 (fast) to 19 (small).
        init(level: CInt) throws(CompressionError) {
            guard let state = ZSTD_createCCtx() else { throw .outOfMemory }
            self.state = state
            ZSTD_CCtx_setParameter(state, ZSTD_c_compressionLevel, level)
            ZSTD_CCtx_setParameter(state, ZSTD_c_checksumFlag, 1)
        }

        deinit { ZSTD_freeCCtx(state) }

        func step(
            _ input: UnsafeBufferPointer<UInt8>, into output: UnsafeMutableBufferPointer<UInt8>, _ mode: CoderMode
        ) throws(CompressionError) -> CoderStep {
            var source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
            var target = ZSTD_outBuffer(dst: output.baseAddress, size: output.count, pos: 0)
            let operation =
                switch mode {
                case .more: ZSTD_e_continue
                case .flush: ZSTD_e_flush
                case .finish: ZSTD_e_end
                }
            let left = ZSTD_compressStream2(state, &target, &source, operation)
            guard ZSTD_isError(left) == 0 else { throw .corrupt(.zstd) }
            let isEnd = mode == .more ? source.pos == input.count : left == 0
            return CoderStep(consumed: source.pos, produced: target.pos, isEnd: isEnd)
        }

        func reset() throws(CompressionError) {
            ZSTD_CCtx_reset(state, ZSTD_reset_session_only)
        }
    }
#endif
