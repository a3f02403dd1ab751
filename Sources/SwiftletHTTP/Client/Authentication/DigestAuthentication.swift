import HTTPTypes
import Swiftlet
import SwiftletCoroutines

/// What servers have asked for, by origin: answers to come need no further question (RFC 7616, 3.6).
final class DigestChallenges: Sendable {
    private struct Origin: Hashable {
        var scheme: HTTPURL.Scheme
        var host: String
        var port: Int

        init(_ url: HTTPURL) { (scheme, host, port) = (url.scheme, url.host, url.port) }
    }

    private let known = Locked<[Origin: DigestChallenge]>([:])
    private let makeClientNonce: @Sendable () -> String

    init(makeClientNonce: @escaping @Sendable () -> String = { DigestChallenges.randomNonce() }) {
        self.makeClientNonce = makeClientNonce
    }

    private static func randomNonce() -> String {
        (0..<2).map { _ in String(UInt64.random(in: 1 << 60 ... .max), radix: 16) }.joined()
    }

    /// The Authorization field of a request, as far as it can be known beforehand.
    func authorization(for request: HTTPClientRequest, _ authentication: HTTPAuthentication) -> String? {
        switch authentication {
        case .basic(let user, let password): HTTPAuthentication.basicField(user: user, password: password)
        case .bearer(let token): "Bearer \(token)"
        case .digest(let user, let password):
            known.withLock { known in
                known[Origin(request.url)]?.answer(request, user, password, makeClientNonce())
            }
        }
    }

    /// The Authorization field that answers a 401, or `nil` if there is none.
    func answer(
        _ fields: HTTPFields, to request: HTTPClientRequest, _ authentication: HTTPAuthentication
    ) -> String? {
        guard case .digest(let user, let password) = authentication else { return nil }
        let challenges = fields[values: .wwwAuthenticate].flatMap { DigestChallenge.all(in: $0) }
        // The server names its favourite first (RFC 7616, 3.7), but an attacker in between could leave out the better ones.
        let ranking: [DigestHash] = [.sha512256, .sha256, .md5]
        let best = ranking.lazy.compactMap { hash in challenges.first { $0.hash == hash } }.first
        guard var challenge = best else { return nil }
        let answer = challenge.answer(request, user, password, makeClientNonce())
        known.withLock { known in
            if known.count > 1000 { known = [:] }
            known[Origin(request.url)] = challenge
        }
        return answer
    }
}

/// A server's demand for a digest.
struct DigestChallenge: Sendable {
    let hash: DigestHash
    let isSession: Bool
    private let realm: String
    private let nonce: String
    private let opaque: String?
    private let hasQuality: Bool
    private let wantsUserHash: Bool
    private var count = 0

    /// The demands for digests that a WWW-Authenticate field has among others.
    static func all(in field: String) -> [DigestChallenge] {
        var challenges: [DigestChallenge] = []
        var rest = field[...]
        while let start = nextDigest(in: rest) {
            rest = rest[start...].dropFirst("Digest ".count)
            let end = nextDigest(in: rest) ?? rest.endIndex
            if let challenge = DigestChallenge(parameters: rest[..<end]) { challenges.append(challenge) }
            rest = rest[end...]
        }
        return challenges
    }

    /// Where the word stands that begins a demand; not within a quoted text.
    private static func nextDigest(in text: Substring) -> Substring.Index? {
        var isQuoted = false
        var isAtWord = true
        for index in text.utf8.indices {
            let byte = text.utf8[index]
            if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
            if !isQuoted, isAtWord, text[index...].prefix(7).lowercased() == "digest " { return index }
            isAtWord = byte.isBlank || byte == UInt8(ascii: ",")
        }
        return nil
    }

    private init?(parameters text: Substring) {
        // A list of name=value with commas in between: as a media type's parameters, but for the separator.
        let parameters = MediaType(";" + Self.separated(text)).parameters
        guard let nonce = parameters["nonce"] else { return nil }
        var algorithm = parameters["algorithm"]?.uppercased() ?? "MD5"
        isSession = algorithm.hasSuffix("-SESS")
        if isSession { algorithm.removeLast(5) }
        guard let hash = DigestHash(rawValue: algorithm) else { return nil }
        let qualities = parameters["qop"]?.split(separator: ",").map { $0.filter { $0 != " " }.lowercased() }
        if let qualities, !qualities.contains("auth") { return nil }
        self.hash = hash
        self.nonce = nonce
        realm = parameters["realm"] ?? ""
        opaque = parameters["opaque"]
        hasQuality = qualities != nil
        wantsUserHash = parameters["userhash"]?.lowercased() == "true"
    }

    /// With semicolons for the commas outside of quoted texts.
    private static func separated(_ text: Substring) -> String {
        var isQuoted = false
        return String(
            text.map { character in
                if character == "\"" { isQuoted.toggle() }
                return character == "," && !isQuoted ? ";" : character
            })
    }

    /// The Authorization field (RFC 7616, 3.4).
    mutating func answer(
        _ request: HTTPClientRequest, _ user: String, _ password: String, _ clientNonce: String
    ) -> String {
        count += 1
        let digits = String(count, radix: 16)
        let number = String(repeating: "0", count: max(0, 8 - digits.count)) + digits
        let target = request.url.requestTarget
        var secret = hash.hexadecimal("\(user):\(realm):\(password)")
        if isSession { secret = hash.hexadecimal("\(secret):\(nonce):\(clientNonce)") }
        let what = hash.hexadecimal("\(request.method.rawValue):\(target)")
        let middle = hasQuality ? "\(nonce):\(number):\(clientNonce):auth" : nonce
        let response = hash.hexadecimal("\(secret):\(middle):\(what)")
        let name = wantsUserHash ? hash.hexadecimal("\(user):\(realm)") : user
        var text = "Digest username=\"\(quoted(name))\", realm=\"\(quoted(realm))\", nonce=\"\(quoted(nonce))\""
        text += ", uri=\"\(target)\", algorithm=\(hash.rawValue)\(isSession ? "-sess" : ""), response=\"\(response)\""
        if let opaque { text += ", opaque=\"\(quoted(opaque))\"" }
        if hasQuality { text += ", qop=auth, nc=\(number), cnonce=\"\(clientNonce)\"" }
        if wantsUserHash { text += ", userhash=true" }
        return text
    }

    private func quoted(_ text: String) -> String {
        text.reduce(into: "") { quoted, character in
            if character == "\"" || character == "\\" { quoted.append("\\") }
            quoted.append(character)
        }
    }
}
