#if TLS
    import COpenSSL

    /// A version of TLS. Older ones than these are broken and not offered.
    public enum TLSVersion: String, Sendable, Hashable, Comparable, CaseIterable, CustomStringConvertible {
        case tls12 = "TLS 1.2"
        case tls13 = "TLS 1.3"

        public var description: String { rawValue }

        public static func < (left: TLSVersion, right: TLSVersion) -> Bool { left.number < right.number }

        /// As it stands in records (RFC 8446, 4.2.1).
        var number: CInt { self == .tls12 ? TLS1_2_VERSION : TLS1_3_VERSION }
    }
#endif
