import Swiftlet

/// E10: `await` suspends the caller until the result is there.
func awaitResult() throws {
    struct Database {
        func fetch(_ query: String) async throws -> [String] {
            print("fetch starts:", query)
            try await sleep(.seconds(0.2))
            print("fetch ends")
            return ["row 1", "row 2"]
        }
    }
    @Sendable func readData(_ database: Database) async throws -> [String] {
        let data = try await database.fetch("SELECT ...")
        print("read_data resumes with", data)
        return data
    }

    print(try AsyncIO.run { try await readData(Database()) })
}
