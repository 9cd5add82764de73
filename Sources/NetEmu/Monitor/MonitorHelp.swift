// What `help` shows: the table's lines, in its order.

enum MonitorHelp {
    /// The lines of `help` for the command that `text` names; all commands for an empty one.
    static func lines(for text: String) -> [String] {
        var table = CommandTable.commands
        var path = ""
        for word in text.split(separator: " ") {
            guard let command = CommandTable.find(String(word), in: table) else {
                return ["unknown command: '\(path)\(word)'"]
            }
            guard !command.subcommands.isEmpty else { return [command.helpLine(prefix: path)] }
            table = command.subcommands
            path += "\(word) "
        }
        return table.map { $0.helpLine(prefix: path) }
    }
}
