import Glibc

/// Certificates for tests, made once a process by the `openssl` program.
public enum Certificates {
    /// `Certificates.file("server.pem")` is a path; the script below says which there are.
    public static func file(_ name: String) -> String { "\(directory)/\(name)" }

    public static func bytes(_ name: String) -> [UInt8] {
        guard let stream = fopen(file(name), "r") else { return [] }
        defer { fclose(stream) }
        return [UInt8](unsafeUninitializedCapacity: 64 * 1024) { buffer, count in
            count = fread(buffer.baseAddress!, 1, buffer.count, stream)
        }
    }

    private static let directory: String = {
        var template = Array("/tmp/swiftlet-certificates-XXXXXX".utf8CString)
        precondition(mkdtemp(&template) != nil, "no directory for certificates")
        let directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        setenv("SWIFTLET_TEST_CERTIFICATES", directory, 1)
        do {
            let shell = try SpawnedProgram(["sh", "-ec", script])
            _ = shell.waitFor(/never said/)
            precondition(shell.end() == 0, "the openssl program could not make the certificates")
        } catch {
            fatalError("\(error)")
        }
        atexit { Certificates.remove() }
        return directory
    }()

    private static func remove() {
        guard let directory = getenv("SWIFTLET_TEST_CERTIFICATES"), let entries = opendir(directory) else { return }
        while let entry = readdir(entries) {
            withUnsafePointer(to: &entry.pointee.d_name) { name in
                name.withMemoryRebound(to: CChar.self, capacity: 256) { _ = unlinkat(dirfd(entries), $0, 0) }
            }
        }
        closedir(entries)
        rmdir(directory)
    }

    private static let script = """
        cd "$SWIFTLET_TEST_CERTIFICATES"
        key() { openssl ecparam -name prime256v1 -genkey -noout -out $1.key; }
        authority() {
          key $1
          openssl req -new -x509 -key $1.key -subj "/CN=$1" -days 2 -out $1.pem \
            -addext basicConstraints=critical,CA:TRUE -addext keyUsage=keyCertSign
        }
        # name, issuer, days, names
        certificate() {
          key $1
          openssl req -new -key $1.key -subj "/CN=$1" -addext "subjectAltName=$4" -out $1.csr
          openssl x509 -req -in $1.csr -CA $2.pem -CAkey $2.key -days $3 -copy_extensions copy -out $1.pem
        }
        authority authority
        authority stranger
        certificate server authority 2 "DNS:localhost,IP:127.0.0.1,IP:::1"
        certificate other authority 2 "DNS:sni.example"
        certificate wild authority 2 "DNS:*.wild.example"
        certificate expired authority -1 "DNS:localhost"
        certificate unknown stranger 2 "DNS:localhost"
        certificate client authority 2 "DNS:client"
        certificate badclient stranger 2 "DNS:badclient"
        key alone
        openssl req -new -x509 -key alone.key -subj "/CN=alone" -days 2 -out alone.pem -addext "subjectAltName=DNS:localhost"
        openssl ec -in server.key -aes128 -passout pass:secret -out locked.key
        cat server.pem server.key > both.pem
        """
}
