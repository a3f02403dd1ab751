/// The hash functions of digest authentication (RFC 7616, 6.1), as hexadecimal digits. They are small, and the client
/// needs no library for them.
enum DigestHash: String, Sendable {
    case md5 = "MD5"
    case sha256 = "SHA-256"
    case sha512256 = "SHA-512-256"

    func hexadecimal(_ text: String) -> String {
        let bytes = Array(text.utf8)
        let digest =
            switch self {
            case .md5: MD5.hash(bytes)
            case .sha256: SHA256.hash(bytes)
            case .sha512256: SHA512256.hash(bytes)
            }
        return digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}

/// The message with a one bit, zeros, and its length behind it, in whole blocks.
private func padded(_ message: [UInt8], block: Int, lengthBytes: Int, isBigEndian: Bool) -> [UInt8] {
    var bytes = message
    bytes.append(0x80)
    while bytes.count % block != block - lengthBytes { bytes.append(0) }
    let length = UInt64(message.count) * 8
    bytes += Array(repeating: 0, count: lengthBytes - 8)
    bytes += (0..<8).map { UInt8(truncatingIfNeeded: length >> UInt64(8 * (isBigEndian ? 7 - $0 : $0))) }
    return bytes
}

private func primes(_ count: Int) -> [Int] {
    var found: [Int] = []
    var next = 2
    while found.count < count {
        if found.allSatisfy({ !next.isMultiple(of: $0) }) { found.append(next) }
        next += 1
    }
    return found
}

/// The first 64 bits behind the point of a root of a prime. `power` is 2 or 3.
private func rootFraction(_ prime: Int, power: Int) -> UInt64 {
    // The largest integer whose power is no more than prime << (64 * power), bit by bit.
    func isTooLarge(_ root: WideNumber) -> Bool {
        var product = root
        for _ in 1..<power { product = product.multiplied(by: root) }
        return WideNumber(prime).shifted(words: 2 * power) < product
    }
    var root = WideNumber(0)
    for bit in (0..<70).reversed() {
        var candidate = root
        candidate.set(bit)
        if !isTooLarge(candidate) { root = candidate }
    }
    return UInt64(root.words[0]) | UInt64(root.words[1]) << 32
}

/// Whole numbers of any size, as far as the constants need them.
private struct WideNumber {
    var words: [UInt32]

    init(_ value: Int) { words = [UInt32(value), 0, 0] }

    mutating func set(_ bit: Int) { words[bit / 32] |= 1 << UInt32(bit % 32) }

    func shifted(words count: Int) -> WideNumber {
        var result = self
        result.words = Array(repeating: 0, count: count) + words
        return result
    }

    func multiplied(by other: WideNumber) -> WideNumber {
        var result = self
        result.words = Array(repeating: 0, count: words.count + other.words.count)
        for (i, a) in words.enumerated() {
            var carry: UInt64 = 0
            for (j, b) in other.words.enumerated() {
                let sum = UInt64(a) * UInt64(b) + UInt64(result.words[i + j]) + carry
                result.words[i + j] = UInt32(truncatingIfNeeded: sum)
                carry = sum >> 32
            }
            result.words[i + other.words.count] = UInt32(carry)
        }
        return result
    }

    static func < (left: WideNumber, right: WideNumber) -> Bool {
        for index in (0..<max(left.words.count, right.words.count)).reversed() {
            let a = index < left.words.count ? left.words[index] : 0
            let b = index < right.words.count ? right.words[index] : 0
            if a != b { return a < b }
        }
        return false
    }
}

/// RFC 1321.
private enum MD5 {
    private static let shifts: [[UInt32]] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]]
    private static let constants = (0..<64).map { UInt32(abs(sine(Double($0 + 1))) * 4_294_967_296) }

    /// The sine by its series: the table needs 32 bits of it, and no library of mathematics.
    private static func sine(_ angle: Double) -> Double {
        let turn = 2 * Double.pi
        let x = angle - (angle / turn).rounded() * turn
        var (term, sum) = (x, x)
        for n in 1..<20 {
            term *= -x * x / Double((2 * n) * (2 * n + 1))
            sum += term
        }
        return sum
    }

    static func hash(_ message: [UInt8]) -> [UInt8] {
        let bytes = padded(message, block: 64, lengthBytes: 8, isBigEndian: false)
        var state: [UInt32] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476]
        for block in stride(from: 0, to: bytes.count, by: 64) {
            let words = (0..<16).map { word in
                (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[block + word * 4 + $1]) << UInt32(8 * $1) }
            }
            var (a, b, c, d) = (state[0], state[1], state[2], state[3])
            for step in 0..<64 {
                let (mixed, word): (UInt32, Int) =
                    switch step / 16 {
                    case 0: ((b & c) | (~b & d), step)
                    case 1: ((d & b) | (~d & c), (5 * step + 1) % 16)
                    case 2: (b ^ c ^ d, (3 * step + 5) % 16)
                    default: (c ^ (b | ~d), (7 * step) % 16)
                    }
                let sum = a &+ mixed &+ constants[step] &+ words[word]
                let shift = shifts[step / 16][step % 4]
                (a, d, c, b) = (d, c, b, b &+ (sum << shift | sum >> (32 - shift)))
            }
            state = zip(state, [a, b, c, d]).map { $0 &+ $1 }
        }
        return state.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) } }
    }
}

/// FIPS 180-4, 6.2 and 6.4: the same rounds over words of 32 and of 64 bits.
private struct SHA2<Word: FixedWidthInteger & UnsignedInteger & Sendable>: Sendable {
    /// How far the words are turned: in the two sums and in the two that stretch the message, whose third is a shift.
    let turns: [[Int]]
    let constants: [Word]
    let initial: [Word]

    func hash(_ message: [UInt8]) -> [UInt8] {
        let size = Word.bitWidth / 8
        let bytes = padded(message, block: 16 * size, lengthBytes: 2 * size, isBigEndian: true)
        var state = initial
        for block in stride(from: 0, to: bytes.count, by: 16 * size) {
            var words = (0..<16).map { word in
                (0..<size).reduce(Word(0)) { $0 << 8 | Word(bytes[block + word * size + $1]) }
            }
            for index in 16..<constants.count {
                let (x, y) = (words[index - 15], words[index - 2])
                words.append(
                    words[index - 16] &+ stretched(x, turns[2]) &+ words[index - 7] &+ stretched(y, turns[3]))
            }
            var work = state
            for (constant, word) in zip(constants, words) {
                let choice = (work[4] & work[5]) ^ (~work[4] & work[6])
                let first = work[7] &+ turned(work[4], turns[1]) &+ choice &+ constant &+ word
                let majority = (work[0] & work[1]) ^ (work[0] & work[2]) ^ (work[1] & work[2])
                let second = turned(work[0], turns[0]) &+ majority
                work = [first &+ second, work[0], work[1], work[2], work[3] &+ first, work[4], work[5], work[6]]
            }
            state = zip(state, work).map { $0 &+ $1 }
        }
        return state.flatMap { word in
            (0..<size).map { UInt8(truncatingIfNeeded: word >> Word(8 * (size - 1 - $0))) }
        }
    }

    private func turn(_ word: Word, _ count: Int) -> Word { word >> Word(count) | word << Word(Word.bitWidth - count) }

    private func turned(_ word: Word, _ by: [Int]) -> Word { turn(word, by[0]) ^ turn(word, by[1]) ^ turn(word, by[2]) }

    private func stretched(_ word: Word, _ by: [Int]) -> Word {
        turn(word, by[0]) ^ turn(word, by[1]) ^ word >> Word(by[2])
    }
}

private enum SHA256 {
    private static let function = SHA2<UInt32>(
        turns: [[2, 13, 22], [6, 11, 25], [7, 18, 3], [17, 19, 10]],
        constants: primes(64).map { UInt32(rootFraction($0, power: 3) >> 32) },
        initial: primes(8).map { UInt32(rootFraction($0, power: 2) >> 32) })

    static func hash(_ message: [UInt8]) -> [UInt8] { function.hash(message) }
}

private enum SHA512256 {
    private static let turns = [[28, 34, 39], [14, 18, 41], [1, 8, 7], [19, 61, 6]]
    private static let constants = primes(80).map { rootFraction($0, power: 3) }
    /// FIPS 180-4, 5.3.6: the initial words are the hash, with others' bits turned over, of the function's name.
    private static let function: SHA2<UInt64> = {
        let start = primes(8).map { rootFraction($0, power: 2) ^ 0xA5A5_A5A5_A5A5_A5A5 }
        let generator = SHA2(turns: turns, constants: constants, initial: start)
        let seed = generator.hash(Array("SHA-512/256".utf8))
        let words = (0..<8).map { word in (0..<8).reduce(UInt64(0)) { $0 << 8 | UInt64(seed[word * 8 + $1]) } }
        return SHA2(turns: turns, constants: constants, initial: words)
    }()

    static func hash(_ message: [UInt8]) -> [UInt8] { Array(function.hash(message).prefix(32)) }
}
