/// An element of a Sec-WebSocket-Extensions field (RFC 6455, 9.1): a name and its parameters.
struct ExtensionOffer: Hashable {
    var name: String
    var parameters: [(name: String, value: String?)] = []

    static func == (left: ExtensionOffer, right: ExtensionOffer) -> Bool { left.text == right.text }

    func hash(into hasher: inout Hasher) { hasher.combine(text) }

    /// As it stands in the field.
    var text: String {
        ([name] + parameters.map { parameter in parameter.value.map { "\(parameter.name)=\($0)" } ?? parameter.name })
            .joined(separator: "; ")
    }

    init(_ name: String) { self.name = name }

    /// The elements of a field; `nil` if it is malformed.
    static func list(_ field: String) -> [ExtensionOffer]? {
        var offers: [ExtensionOffer] = []
        for element in field.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = element.split(separator: ";", omittingEmptySubsequences: false).map { trimmed($0) }
            guard isToken(parts[0]) else { return nil }
            var offer = ExtensionOffer(String(parts[0]))
            for part in parts.dropFirst() {
                let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map {
                    trimmed($0)
                }
                guard isToken(pair[0]) else { return nil }
                var value = pair.count > 1 ? pair[1] : nil
                // RFC 6455, 9.1: a quoted value is a token, too.
                if let quoted = value, quoted.utf8.count >= 2, quoted.utf8.first == UInt8(ascii: "\""),
                    quoted.utf8.last == UInt8(ascii: "\"")
                {
                    value = Substring(quoted.utf8.dropFirst().dropLast())
                }
                if let value, !isToken(value) { return nil }
                offer.parameters.append((String(pair[0]), value.map { String($0) }))
            }
            offers.append(offer)
        }
        return offers
    }

    private static func trimmed(_ text: Substring) -> Substring {
        let bytes = text.utf8.drop(while: \.isBlank)
        return Substring(bytes.prefix(bytes.count - bytes.reversed().prefix(while: \.isBlank).count))
    }

    private static func isToken(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy(\.isTokenCharacter)
    }
}

extension PermessageDeflate {
    static let name = "permessage-deflate"

    /// What the parameters say; `nil` if one is unknown, repeated or malformed. A client may offer
    /// `client_max_window_bits` without a value.
    private struct Parameters {
        var serverForgets = false
        var clientForgets = false
        var serverBits: Int?
        var clientBits: Int?
        var offersClientBits = false

        init?(_ offer: ExtensionOffer, isOffer: Bool) {
            guard Set(offer.parameters.map(\.name)).count == offer.parameters.count else { return nil }
            for (name, value) in offer.parameters {
                switch (name, value) {
                case ("server_no_context_takeover", nil): serverForgets = true
                case ("client_no_context_takeover", nil): clientForgets = true
                case ("server_max_window_bits", let value?):
                    guard let bits = Self.windowBits(value) else { return nil }
                    serverBits = bits
                case ("client_max_window_bits", let value?):
                    guard let bits = Self.windowBits(value) else { return nil }
                    (clientBits, offersClientBits) = (bits, true)
                case ("client_max_window_bits", nil) where isOffer: offersClientBits = true
                default: return nil
                }
            }
        }

        /// 8 to 15, without leading zeros.
        private static func windowBits(_ text: String) -> Int? {
            guard let bits = Int(text), (8...15).contains(bits), text == String(bits) else { return nil }
            return bits
        }
    }

    /// A server's answer to what a client offers: the first offer that it can meet; `nil` if there is none.
    static func accept(
        _ offers: [ExtensionOffer], _ wanted: WebSocket.Compression
    ) -> (agreed: PermessageDeflate, answer: ExtensionOffer)? {
        for offer in offers where offer.name == name {
            guard let parameters = Parameters(offer, isOffer: true) else { continue }
            var agreed = PermessageDeflate()
            var answer = ExtensionOffer(name)
            if parameters.serverForgets || wanted.forgetsContext {
                agreed.server.forgetsContext = true
                answer.parameters.append(("server_no_context_takeover", nil))
            }
            if parameters.clientForgets || wanted.forgetsContext {
                agreed.client.forgetsContext = true
                answer.parameters.append(("client_no_context_takeover", nil))
            }
            agreed.server.windowBits = min(parameters.serverBits ?? 15, wanted.windowBits)
            if parameters.serverBits != nil || agreed.server.windowBits < 15 {
                answer.parameters.append(("server_max_window_bits", String(agreed.server.windowBits)))
            }
            // RFC 7692, 7.1.2.2: a client that does not offer it does not have to understand it.
            if parameters.offersClientBits {
                agreed.client.windowBits = min(parameters.clientBits ?? 15, wanted.windowBits)
                if agreed.client.windowBits < 15 || parameters.clientBits != nil {
                    answer.parameters.append(("client_max_window_bits", String(agreed.client.windowBits)))
                }
            }
            return (agreed, answer)
        }
        return nil
    }

    /// What a client offers.
    static func offer(_ wanted: WebSocket.Compression) -> ExtensionOffer {
        var offer = ExtensionOffer(name)
        if wanted.forgetsContext {
            offer.parameters += [("server_no_context_takeover", nil), ("client_no_context_takeover", nil)]
        }
        if wanted.windowBits < 15 {
            offer.parameters.append(("server_max_window_bits", String(wanted.windowBits)))
        }
        offer.parameters.append(("client_max_window_bits", nil))
        return offer
    }

    /// What a server has agreed to.
    ///
    /// - Throws: `WebSocketError.invalidHandshake` if that is not what was offered.
    static func agreed(_ answer: ExtensionOffer, _ wanted: WebSocket.Compression) throws(WebSocketError) -> Self {
        guard answer.name == name else {
            throw .invalidHandshake("it agrees to the extension \"\(answer.name)\", which was not offered")
        }
        guard let parameters = Parameters(answer, isOffer: false) else {
            throw .invalidHandshake("it answers permessage-deflate with \"\(answer.text)\"")
        }
        guard !wanted.forgetsContext || parameters.serverForgets,
            wanted.windowBits == 15 || parameters.serverBits ?? 15 <= wanted.windowBits
        else { throw .invalidHandshake("it does not keep the limits of permessage-deflate that were offered") }
        var agreed = PermessageDeflate()
        agreed.server.forgetsContext = parameters.serverForgets
        agreed.client.forgetsContext = parameters.clientForgets || wanted.forgetsContext
        agreed.server.windowBits = parameters.serverBits ?? 15
        agreed.client.windowBits = min(parameters.clientBits ?? 15, wanted.windowBits)
        return agreed
    }
}
