#if Zlib
    import CZlib

    /// The wrappers around deflated data.
    enum ZlibFormat {
        /// RFC 1952.
        case gzip
        /// RFC 1950.
        case zlib
        /// RFC 1951 alone. The window is of two to the power of so many bytes: 9 to 15; to decode 8 is possible, too.
        case raw(windowBits: CInt)

        /// How `inflateInit2` and `deflateInit2` spell it.
        var windowBits: CInt {
            switch self {
            case .gzip: 31
            case .zlib: 15
            case .raw(let bits): -bits
            }
        }

        var coding: ContentCoding {
            if case .gzip = self { .gzip } else { .deflate }
        }
    }

    /// A zlib stream that decodes.
    final class Inflater: Coder {
        private let format: ZlibFormat
        // zlib keeps its address, so it lies where it stays.
        private let stream: UnsafeMutablePointer<z_stream>

        init(_ format: ZlibFormat) throws(CompressionError) {
            self.format = format
            stream = .allocate(capacity: 1)
            stream.initialize(to: z_stream())
            let status = inflateInit2_(
                stream, format.windowBits, ZLIB_VERSION, CInt(MemoryLayout<z_stream>.size))
            guard status == Z_OK else { throw .outOfMemory }
        }

        deinit {
            inflateEnd(stream)
            stream.deallocate()
        }

        func step(
            _ input: UnsafeBufferPointer<UInt8>, into output: UnsafeMutableBufferPointer<UInt8>, _ mode: CoderMode
        ) throws(CompressionError) -> CoderStep {
            let room = stream.offer(input, output)
            switch inflate(stream, Z_NO_FLUSH) {
            case Z_OK, Z_BUF_ERROR: return stream.taken(from: room, isEnd: false)  // Z_BUF_ERROR: nothing to do yet
            case Z_STREAM_END: return stream.taken(from: room, isEnd: true)
            case Z_MEM_ERROR: throw .outOfMemory
            default: throw .corrupt(format.coding)  // Z_NEED_DICT too: there is no dictionary in HTTP
            }
        }

        func reset() throws(CompressionError) {
            guard inflateReset(stream) == Z_OK else { throw .corrupt(format.coding) }
        }

        /// Begins a stream whose data may refer to what the one before decoded to.
        func restart() throws(CompressionError) {
            var window = [UInt8](repeating: 0, count: 1 << 15)
            var count: UInt32 = 0
            guard inflateGetDictionary(stream, &window, &count) == Z_OK, inflateReset(stream) == Z_OK,
                inflateSetDictionary(stream, window, count) == Z_OK
            else { throw .corrupt(format.coding) }
        }
    }

    /// A zlib stream that encodes.
    final class Deflater: Coder {
        private let format: ZlibFormat
        private let stream: UnsafeMutablePointer<z_stream>

        /// Makes an encoder.
        ///
        /// - Parameter level: 1 (fast) to 9 (small); 6 is zlib's own choice.
        init(_ format: ZlibFormat, level: CInt) throws(CompressionError) {
            self.format = format
            stream = .allocate(capacity: 1)
            stream.initialize(to: z_stream())
            let status = deflateInit2_(
                stream, level, Z_DEFLATED, format.windowBits, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
                CInt(MemoryLayout<z_stream>.size))
            guard status == Z_OK else { throw .outOfMemory }
        }

        deinit {
            deflateEnd(stream)
            stream.deallocate()
        }

        func step(
            _ input: UnsafeBufferPointer<UInt8>, into output: UnsafeMutableBufferPointer<UInt8>, _ mode: CoderMode
        ) throws(CompressionError) -> CoderStep {
            let room = stream.offer(input, output)
            let flush =
                switch mode {
                case .more: Z_NO_FLUSH
                case .flush: Z_SYNC_FLUSH
                case .finish: Z_FINISH
                }
            let status = deflate(stream, flush)
            guard status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR else {
                throw .corrupt(format.coding)
            }
            // With room left over it has given all that this mode gives.
            return stream.taken(from: room, isEnd: status == Z_STREAM_END || stream.pointee.avail_out > 0)
        }

        func reset() throws(CompressionError) {
            guard deflateReset(stream) == Z_OK else { throw .corrupt(format.coding) }
        }
    }

    extension UnsafeMutablePointer<z_stream> {
        /// Shows the stream its buffers, as much of them as its counters can say.
        fileprivate func offer(
            _ input: UnsafeBufferPointer<UInt8>, _ output: UnsafeMutableBufferPointer<UInt8>
        ) -> (input: UInt32, output: UInt32) {
            let room = (UInt32(clamping: input.count), UInt32(clamping: output.count))
            // zlib reads the input only, whatever its type says.
            pointee.next_in = UnsafeMutablePointer<UInt8>(mutating: input.baseAddress)
            pointee.avail_in = room.0
            pointee.next_out = output.baseAddress
            pointee.avail_out = room.1
            return room
        }

        fileprivate func taken(from room: (input: UInt32, output: UInt32), isEnd: Bool) -> CoderStep {
            CoderStep(
                consumed: Int(room.input - pointee.avail_in), produced: Int(room.output - pointee.avail_out),
                isEnd: isEnd)
        }
    }
#endif
