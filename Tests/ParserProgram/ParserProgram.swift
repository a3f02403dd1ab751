import FuzzTargets
import Glibc
import HTTPTypes
import SwiftletHTTP

// The parsers as a program of their own. Built by Tests/Fuzz/run with FUZZING it is the fuzzer: the target is named by
// SWIFTLET_FUZZ_TARGET. Else it is one side of the comparison with llhttp (Tests/Interop/llhttp): each line of its input
// is `request` or `response` and a byte stream in hexadecimal digits, and each line of its output what that means.

#if FUZZING
    private let target: FuzzTarget = {
        let name = getenv("SWIFTLET_FUZZ_TARGET").map { String(cString: $0) } ?? ""
        guard let target = FuzzTarget(rawValue: name) else { fatalError("set SWIFTLET_FUZZ_TARGET") }
        return target
    }()

    @_cdecl("LLVMFuzzerTestOneInput")
    public func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
        if let fault = target.run(Array(UnsafeBufferPointer(start: start, count: count))) { fatalError(fault) }
        return 0
    }
#else
    @main
    enum ParserProgram {
        static func main() {
            while let line = readLine() {
                let words = line.split(separator: " ")
                let digits = Array((words.count > 1 ? words[1] : "").utf8)
                let bytes = stride(from: 0, to: digits.count, by: 2).map {
                    value(digits[$0]) << 4 | value(digits[$0 + 1])
                }
                var stream = Stream(bytes, isRequest: words.first == "request")
                print(stream.report())
            }
        }

        private static func value(_ digit: UInt8) -> UInt8 { digit < 0x3A ? digit - 0x30 : digit - 0x57 }
    }

    /// A stream of messages, taken apart to its end, to the first fault, or to a message behind which there is no other.
    struct Stream {
        private var rest: [UInt8]
        private var messages: [String] = []
        private let isRequest: Bool

        init(_ bytes: [UInt8], isRequest: Bool) {
            rest = bytes
            self.isRequest = isRequest
        }

        /// One JSON object: the messages, then the fault or how it ended.
        mutating func report() -> String {
            var ending = "\"end\": \"complete\""
            do throws(HTTPParseError) {
                while !rest.isEmpty {
                    guard let goesOn = try isRequest ? takeRequest() : takeResponse() else {
                        ending = "\"end\": \"incomplete\""
                        break
                    }
                    guard goesOn else {
                        ending = "\"end\": \"closed\""
                        break
                    }
                }
            } catch {
                ending = "\"error\": \"\(error.code)\", \"status\": \(error.responseStatus.code)"
            }
            return "{\"messages\": [\(messages.joined(separator: ", "))], \(ending)}"
        }

        /// - Returns: whether another message may follow; `nil` if this one is not complete.
        private mutating func takeRequest() throws(HTTPParseError) -> Bool? {
            var parser = RequestHeadParser()
            guard let (head, count) = try parser.parse(rest.span) else { return nil }
            rest.removeFirst(count)
            let place = messages.count
            let start = "{\"method\": \"\(head.method.rawValue)\", \"target\": \(quoted(Array(head.path.utf8)))"
            messages.append(start + describe(head.headerFields) + ", \"body\": null}")
            guard let (body, isComplete) = try takeBody(head.framing) else { return nil }
            messages[place] =
                start + describe(head.headerFields) + ", \"body\": \(quoted(body)), \"complete\": \(isComplete)}"
            return isComplete ? head.keepsAlive : nil
        }

        private mutating func takeResponse() throws(HTTPParseError) -> Bool? {
            var parser = ResponseHeadParser()
            guard let (head, count) = try parser.parse(rest.span) else { return nil }
            rest.removeFirst(count)
            let start = "{\"status\": \(head.response.status.code)" + describe(head.response.headerFields)
            guard let (body, isComplete) = try takeBody(head.framing(forRequestMethod: .get)) else { return nil }
            messages.append(start + ", \"body\": \(quoted(body)), \"complete\": \(isComplete)}")
            return isComplete ? head.keepsAlive(forRequestMethod: .get) : nil
        }

        private mutating func takeBody(
            _ framing: BodyFraming
        ) throws(HTTPParseError) -> (body: [UInt8], isComplete: Bool)? {
            var decoder = try BodyDecoder(framing: framing)
            var body: [UInt8] = []
            while true {
                switch try decoder.next(in: rest.span) {
                case .data(let range):
                    body += rest[range]
                    rest.removeFirst(range.upperBound)
                case .incomplete(let consumed):
                    rest.removeFirst(consumed)
                    return (body, false)
                case .end(let consumed):
                    rest.removeFirst(consumed)
                    return (body, true)
                }
            }
        }

        private func describe(_ fields: HTTPFields) -> String {
            let pairs = fields.map { field in
                let value = field.withUnsafeBytesOfValue { Array($0) }
                return "[\"\(field.name.canonicalName)\", \(quoted(value))]"
            }
            return ", \"fields\": [\(pairs.joined(separator: ", "))]"
        }

        /// Bytes as a JSON text, each a character.
        private func quoted(_ bytes: [UInt8]) -> String {
            var text = "\""
            for byte in bytes {
                if byte < 0x20 || byte >= 0x7F || byte == 0x22 || byte == 0x5C {
                    let digits = String(byte, radix: 16)
                    text += "\\u00" + (byte < 0x10 ? "0" : "") + digits
                } else {
                    text.unicodeScalars.append(Unicode.Scalar(byte))
                }
            }
            return text + "\""
        }
    }
#endif
