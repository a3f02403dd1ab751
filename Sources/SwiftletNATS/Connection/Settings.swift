import CSwiftletNATS
import Glibc

extension NATSConfiguration {
    /// Calls the body with what libnats is told; the texts are good during the call.
    func withSettings<Result>(
        _ name: String, _ wake: @escaping @convention(c) (UnsafeMutableRawPointer?) -> Void,
        _ context: UnsafeMutableRawPointer, _ body: (inout swiftlet_nats_settings) -> Result
    ) -> Result {
        var copies: [UnsafeMutablePointer<CChar>] = []
        defer { for copy in copies { free(copy) } }
        func text(_ text: String?) -> UnsafePointer<CChar>? {
            guard let text, let copy = strdup(text) else { return nil }
            copies.append(copy)
            return UnsafePointer(copy)
        }
        var settings = swiftlet_nats_settings()
        settings.name = text(name)
        switch credentials {
        case .none: break
        case .user(let user, let password): (settings.user, settings.password) = (text(user), text(password))
        case .token(let token): settings.token = text(token)
        case .file(let path): settings.credentials = text(path)
        case .key(let seed, let key): (settings.seed, settings.public_key) = (text(seed), text(key))
        }
        if let tls {
            settings.uses_tls = true
            settings.authority = text(tls.authority)
            settings.certificate = text(tls.certificate)
            settings.private_key = text(tls.privateKey)
            settings.host = text(tls.host)
            settings.skips_verification = !tls.verifiesServer
        }
        settings.timeout = Int64(connectTimeout / .milliseconds(1))
        settings.wake = wake
        settings.context = context
        let addresses = servers.map { text($0) }
        return addresses.withUnsafeBufferPointer { addresses in
            settings.servers = addresses.baseAddress
            settings.server_count = CInt(addresses.count)
            return body(&settings)
        }
    }
}
