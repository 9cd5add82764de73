// What `help` shows: the table's lines, in its order.

enum MonitorHelp {
    /// The lines of `help` for the command that `text` names; all commands for an empty one.
    static func lines(for text: String) -> [String] {
        var table = CommandTable.words
        var path = ""
        for name in text.split(separator: " ") {
            guard let word = CommandTable.find(String(name), in: table) else {
                return ["unknown command: '\(path)\(name)'"]
            }
            guard !word.below.isEmpty else { return [word.helpLine(prefix: path)] }
            table = word.below
            path += "\(name) "
        }
        return table.map { $0.helpLine(prefix: path) }
    }
}
