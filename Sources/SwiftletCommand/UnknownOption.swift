import ArgumentParser

extension Swiftlet {
    /// The first option that the command does not know. The parser tells of it only when nothing else is amiss, though a
    /// misspelled option is often why something is missing.
    static func unknownOption(in arguments: [String]) -> String? {
        guard let name = arguments.first,
            let command = configuration.subcommands.first(where: { $0._commandName == name })
        else { return nil }
        let options = namesOfOptions(in: helpMessage(for: command, includeHidden: true))
        var rest = arguments.dropFirst()
        while let argument = rest.popFirst(), argument != "--" {
            guard argument.hasPrefix("-"), argument.count > 1 else { continue }
            let isLong = argument.hasPrefix("--")
            let option = isLong ? String(argument.prefix { $0 != "=" }) : String(argument.prefix(2))
            guard let takesValue = options[option] else { return option }
            // The value may look like an option.
            if takesValue, option == argument { rest = rest.dropFirst() }
        }
        return nil
    }

    /// All options that a help text lists, and whether a value follows: `  -o, --output <output>`.
    private static func namesOfOptions(in help: String) -> [String: Bool] {
        var names: [String: Bool] = [:]
        for line in help.split(separator: "\n") where line.drop(while: { $0 == " " }).hasPrefix("-") {
            let words = line.split { " ,/".contains($0) }
            let own = words.prefix { $0.hasPrefix("-") }
            let takesValue = words.dropFirst(own.count).first?.hasPrefix("<") == true
            for name in own { names[String(name)] = takesValue }
        }
        return names
    }

    /// What to say if the command does not exist.
    static func unknownCommand(in arguments: [String]) -> String? {
        guard let name = arguments.first, !name.hasPrefix("-"), name != "help" else { return nil }
        let commands = configuration.subcommands.filter { $0.configuration.shouldDisplay }.map { $0._commandName }
        guard !configuration.subcommands.contains(where: { $0._commandName == name }) else { return nil }
        let nearest = commands.map { ($0, differences($0, name)) }.min { $0.1 < $1.1 }
        // More than a third of the letters is another word.
        guard let nearest, nearest.1 <= max(1, nearest.0.count / 3) else {
            return "There is no command '\(name)'; there are \(commands.joined(separator: ", "))"
        }
        return "There is no command '\(name)'; did you mean '\(nearest.0)'?"
    }

    /// How many letters must be put in, left out, replaced or exchanged with the next to make one word of the other (the optimal
    /// string alignment distance).
    private static func differences(_ one: String, _ other: String) -> Int {
        let (one, other) = (Array(one), Array(other))
        var rows = [Array(0...other.count)]
        for i in one.indices {
            var row = [i + 1]
            for j in other.indices {
                var least = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (one[i] == other[j] ? 0 : 1))
                if i > 0, j > 0, one[i] == other[j - 1], one[i - 1] == other[j] {
                    least = min(least, rows[i - 1][j - 1] + 1)
                }
                row.append(least)
            }
            rows.append(row)
        }
        return rows[one.count][other.count]
    }
}
