import Foundation

/// Certificates for these tests, made once a process by the `openssl` program.
enum Certificates {
    /// `Certificates.file("server.pem")` is a path; the script below says which there are.
    static func file(_ name: String) -> String { "\(directory)/\(name)" }

    static func bytes(_ name: String) -> [UInt8] { Array(FileManager.default.contents(atPath: file(name)) ?? Data()) }

    private static let directory: String = {
        let directory = NSTemporaryDirectory() + "swiftlet-tls-\(getpid())"
        setenv("SWIFTLET_TEST_CERTIFICATES", directory, 1)
        do {
            let shell = try OpenSSLProgram(["sh", "-ec", script])
            _ = shell.waitFor(/never said/)
            precondition(shell.end() == 0, "the openssl program could not make the certificates")
        } catch {
            fatalError("\(error)")
        }
        atexit {
            do {
                try FileManager.default.removeItem(atPath: String(cString: getenv("SWIFTLET_TEST_CERTIFICATES")))
            } catch {
                print("left behind: \(error)")
            }
        }
        return directory
    }()

    private static let script = """
        mkdir -p "$SWIFTLET_TEST_CERTIFICATES"
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
