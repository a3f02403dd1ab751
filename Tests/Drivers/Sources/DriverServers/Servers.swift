import Glibc

extension Server {
    /// PostgreSQL with room for the tests' connections, without passwords.
    public static func postgres() throws -> Server {
        let folder = try makeFolder("postgres")
        let data = folder + "/data"
        chmod(folder, 0o777)
        let programs = try newest(in: "/usr/lib/postgresql", "bin/postgres")
        try run(
            asUser("postgres", [programs + "/bin/initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N"]),
            log: folder + "/initdb")
        let port = try freePort()
        return try Server(
            folder: folder, port: port, stopSignal: "INT",
            asUser(
                "postgres",
                [
                    programs + "/bin/postgres", "-D", data, "-p", "\(port)", "-k", folder, "-h", "127.0.0.1",
                    "-c", "max_connections=300", "-c", "fsync=off", "-c", "shared_buffers=64MB",
                ])
        ).waitUntilItListens(asking: [programs + "/bin/pg_isready", "-q", "-h", "127.0.0.1", "-p", "\(port)"])
    }

    public static func redis() throws -> Server {
        let folder = try makeFolder("redis")
        let port = try freePort()
        return try Server(
            folder: folder, port: port,
            ["redis-server", "--port", "\(port)", "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        ).waitUntilItListens()
    }

    public static var hasMariaDB: Bool { access("/usr/sbin/mariadbd", X_OK) == 0 }

    public static func mariaDB() throws -> Server {
        let folder = try makeFolder("mariadb")
        let port = try freePort()
        chmod(folder, 0o777)
        let user = getuid() == 0 ? ["--user=root"] : []
        try run(
            ["mariadb-install-db", "--datadir=\(folder)/data", "--auth-root-authentication-method=normal"] + user,
            log: folder + "/install")
        return try Server(
            folder: folder, port: port,
            [
                "/usr/sbin/mariadbd", "--no-defaults", "--datadir=\(folder)/data", "--port=\(port)",
                "--bind-address=127.0.0.1", "--socket=\(folder)/socket", "--pid-file=\(folder)/pid",
            ] + user
        ).waitUntilItListens()
    }

    /// nginx in front of a server that is slow.
    public static func nginx(before upstream: Int) throws -> Server {
        let folder = try makeFolder("nginx")
        let port = try freePort()
        let configuration = """
            daemon off; master_process off; pid \(folder)/pid; error_log \(folder)/errors;
            events { worker_connections 2048; }
            http {
              access_log off;
              client_body_temp_path \(folder)/a; proxy_temp_path \(folder)/b; fastcgi_temp_path \(folder)/c;
              uwsgi_temp_path \(folder)/d; scgi_temp_path \(folder)/e;
              server {
                listen 127.0.0.1:\(port) backlog=1024;
                location / { proxy_pass http://127.0.0.1:\(upstream); }
                location /quick { return 200 "quick"; }
              }
            }
            """
        let path = folder + "/nginx.conf"
        guard let file = fopen(path, "w") else { throw ServerError("cannot write \(path): errno \(errno)") }
        fputs(configuration, file)
        fclose(file)
        return try Server(folder: folder, port: port, ["nginx", "-c", path, "-e", folder + "/errors"])
            .waitUntilItListens()
    }

    /// A program that serves HTTP, beside the one that runs: it is told its port by `PORT`.
    public static func program(_ name: String, _ arguments: [String], environment: [String]) throws -> Server {
        let folder = try makeFolder(name)
        let port = try freePort()
        var path = [CChar](repeating: 0, count: 4096)
        guard readlink("/proc/self/exe", &path, path.count - 1) > 0 else {
            throw ServerError("no path: errno \(errno)")
        }
        let own = String(decoding: path.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let program = own[..<own.lastIndex(of: "/")!] + "/" + name
        return try Server(
            folder: folder, port: port, ["env", "PORT=\(port)"] + environment + [String(program)] + arguments
        ).waitUntilItListens()
    }

    private static func newest(in folder: String, _ program: String) throws -> String {
        var found = glob_t()
        defer { globfree(&found) }
        guard glob("\(folder)/*/\(program)", 0, nil, &found) == 0, let last = found.gl_pathv[Int(found.gl_pathc) - 1]
        else { throw ServerError("no \(program) in \(folder)") }
        return String(String(cString: last).dropLast(program.utf8.count + 1))
    }
}
