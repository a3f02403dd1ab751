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
            guard argument.hasPrefix("-"), argument.count > 1, Double(argument) == nil else { continue }
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
}
